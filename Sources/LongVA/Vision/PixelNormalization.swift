package import Torch

/// CLIP's normalisation, bit for bit as transformers 4.46 computes it: x / 255 in float64 rounded to
/// float32, then (x - mean) / std in float32 (image_processing_clip.py, image_transforms.py).
package enum PixelNormalization {
    static let mean: [Float] = [0.48145466, 0.4578275, 0.40821073]
    static let deviation: [Float] = [0.26862954, 0.26130258, 0.27577711]

    /// Normalised value of each byte, [3 x 256]: only 256 inputs a channel, so that the exact arithmetic
    /// is done once.
    private static let table: [Float] = {
        var table: [Float] = []
        for channel in 0..<3 {
            for value in 0..<256 {
                let scaled = Float(Double(value) * (1.0 / 255.0))
                table.append((scaled - mean[channel]) / deviation[channel])
            }
        }
        return table
    }()

    /// The same as a tensor [3, 256].
    static func meanings(on device: Device) throws -> Tensor {
        try Tensor(table, shape: [3, 256], on: device)
    }

    /// - Returns: float32 [count, 3, S, S] of the frames `start ..< start + count`.
    package static func normalized(
        _ frames: FrameBatch, from start: Int, count: Int, on device: Device
    ) throws -> Tensor {
        let plane = frames.side * frames.side
        let values = [Float](unsafeUninitializedCapacity: count * 3 * plane) { output, filled in
            Self.table.withUnsafeBufferPointer { table in
                frames.pixels.withUnsafeBufferPointer { pixels in
                    for frame in 0..<count {
                        let source = (start + frame) * plane * 3
                        let target = frame * 3 * plane
                        for pixel in 0..<plane {
                            for channel in 0..<3 {
                                let byte = Int(pixels[source + pixel * 3 + channel])
                                output[target + channel * plane + pixel] =
                                    table[channel * 256 + byte]
                            }
                        }
                    }
                }
            }
            filled = count * 3 * plane
        }
        return try Tensor(values, shape: [count, 3, frames.side, frames.side], on: device)
    }
}
