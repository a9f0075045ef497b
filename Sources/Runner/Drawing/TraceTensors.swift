import Torch

/// The tensors of a trace file, with errors that name them.
struct TraceTensors {
    let path: String
    private let file: SafetensorsFile

    init(path: String) throws {
        self.path = path
        do {
            file = try SafetensorsFile(path: path)
        } catch let error as WeightError {
            // It names the file.
            throw TraceError(message: "\(error); expected a file written by `ask --trace`")
        }
    }

    var metadata: [String: String] { file.metadata }
    var names: [String] { Array(file.entries.keys) }

    func has(_ name: String) -> Bool { file.entries[name] != nil }

    func bytes(_ name: String) throws -> (values: [UInt8], shape: [Int]) {
        let tensor = try tensor(name, .uint8)
        return (try tensor.values(), tensor.shape)
    }

    func integers(_ name: String) throws -> [Int] { try tensor(name, .int64).values() }

    /// - Returns: nil where the file has no such tensor
    func doubles(_ name: String, count: Int) throws -> [Double]? {
        guard has(name) else { return nil }
        let values: [Double] = try tensor(name, .float64).values()
        guard values.count == count else {
            throw TraceError(path, "`\(name)`: expected \(count) values, found \(values.count)")
        }
        return values
    }

    private func tensor(_ name: String, _ dtype: DType) throws -> Tensor {
        guard let entry = file.entries[name] else {
            throw TraceError(
                path, "has no tensor `\(name)`; expected a file written by `ask --trace`")
        }
        guard entry.dtype == dtype else {
            throw TraceError(path, "`\(name)`: expected \(dtype) elements, found \(entry.dtype)")
        }
        return try file.tensor(name)
    }
}

extension TraceError {
    init(message: String) { description = message }
}
