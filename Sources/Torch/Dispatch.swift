import CTorch

/// An argument of a dispatcher call, in the vocabulary of PyTorch's operator schemas.
enum Argument {
    case tensor(Tensor)
    case optionalTensor(Tensor?)
    case tensors([Tensor])
    case int(Int)
    case optionalInt(Int?)
    case ints([Int])
    case optionalInts([Int]?)
    case bool(Bool)
    case optionalBool(Bool?)
    case double(Double)
    case optionalDouble(Double?)
    case dtype(DType)
    case optionalDType(DType?)
    case string(String)
    case memoryFormatContiguous
    /// Any optional argument left at its default.
    case none
}

/// Calls `op`.`overload` with every argument of its schema, defaults included, and takes over the
/// `results` tensors it returns. A view keeps the owner of the first tensor argument alive.
///
/// `Scalar` arguments cannot be passed through this ABI: callers use Tensor overloads.
func dispatch(
    _ op: String, _ overload: String = "", _ arguments: [Argument], results: Int = 1
) throws(TorchError) -> [Tensor] {
    var stack: [UInt64] = []
    stack.reserveCapacity(max(arguments.count, results))
    var shapes: [[Int]] = []
    var owner: AnyObject?
    for argument in arguments {
        stack.append(try stackValue(of: argument, op, &shapes, &owner))
    }
    while stack.count < results { stack.append(0) }
    guard ct_call(op, overload, &stack) == 0 else {
        throw TorchError(lastErrorOf: overload.isEmpty ? op : "\(op).\(overload)", shapes: shapes)
    }
    var tensors: [Tensor] = []
    for value in stack.prefix(results) {
        guard let raw = OpaquePointer(bitPattern: UInt(value)) else {
            throw TorchError(.other, operation: op, shapes: shapes, message: "returned no tensor")
        }
        tensors.append(try Tensor(adopting: raw, owner: owner))
    }
    return tensors
}

/// The one result of a call that returns one tensor.
func dispatchOne(
    _ op: String, _ overload: String = "", _ arguments: Argument...
) throws(TorchError) -> Tensor {
    let results = try dispatch(op, overload, arguments)
    return results[0]
}

private func stackValue(
    of argument: Argument, _ op: String, _ shapes: inout [[Int]], _ owner: inout AnyObject?
) throws(TorchError) -> UInt64 {
    switch argument {
    case .tensor(let tensor):
        if shapes.isEmpty { owner = tensor.handle.owner }
        shapes.append(tensor.shape)
        return try newReference(to: tensor, op)
    case .optionalTensor(let tensor):
        guard let tensor else { return 0 }
        shapes.append(tensor.shape)
        return ct_optional(try newReference(to: tensor, op))
    case .tensors(let tensors):
        shapes.append(contentsOf: tensors.map(\.shape))
        var values: [UInt64] = []
        for tensor in tensors { values.append(try newReference(to: tensor, op)) }
        return try list(of: values, op)
    case .int(let value): return UInt64(bitPattern: Int64(value))
    case .optionalInt(let value): return optional(value) { UInt64(bitPattern: Int64($0)) }
    case .ints(let values): return try list(of: values.map { UInt64(bitPattern: Int64($0)) }, op)
    case .optionalInts(let values):
        guard let values else { return 0 }
        return ct_optional(try list(of: values.map { UInt64(bitPattern: Int64($0)) }, op))
    case .bool(let value): return value ? 1 : 0
    case .optionalBool(let value): return optional(value) { $0 ? 1 : 0 }
    case .double(let value): return value.bitPattern
    case .optionalDouble(let value): return optional(value, \.bitPattern)
    case .dtype(let value): return UInt64(UInt32(bitPattern: value.code))
    case .optionalDType(let value): return optional(value) { UInt64(UInt32(bitPattern: $0.code)) }
    case .string(let text):
        var string: OpaquePointer?
        try check(ct_string_new(text, text.utf8.count, &string), op)
        return UInt64(UInt(bitPattern: string))
    case .memoryFormatContiguous: return UInt64(UInt32(bitPattern: ct_contiguous_format()))
    case .none: return 0
    }
}

private func optional<T>(_ value: T?, _ convert: (T) -> UInt64) -> UInt64 {
    value.map { ct_optional(convert($0)) } ?? 0
}

/// The dispatcher consumes the handles on its stack, so each call gets references of its own.
private func newReference(to tensor: Tensor, _ op: String) throws(TorchError) -> UInt64 {
    var raw: OpaquePointer?
    try check(ct_new_handle(tensor.handle.raw, &raw), op, tensor)
    return UInt64(UInt(bitPattern: raw))
}

private func list(of values: [UInt64], _ op: String) throws(TorchError) -> UInt64 {
    var list: OpaquePointer?
    try check(ct_list_new(values.count, &list), op)
    for value in values { try check(ct_list_append(list, value), op) }
    return UInt64(UInt(bitPattern: list))
}
