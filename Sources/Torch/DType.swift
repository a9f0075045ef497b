import CTorch

/// Element types that checkpoints and the engine use. The order is `ct_dtype_code`'s.
package enum DType: Int32, Sendable, CaseIterable {
    case float32, float64, float16, bfloat16, uint8, int32, int64, bool
    /// float8_e4m3fn: four bits of exponent, three of mantissa, no infinity, at most 448.
    case e4m3

    /// libtorch's own code.
    var code: Int32 { ct_dtype_code(rawValue) }

    init?(code: Int32) {
        guard let match = DType.allCases.first(where: { $0.code == code }) else { return nil }
        self = match
    }

    package var byteCount: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .uint8, .bool, .e4m3: 1
        }
    }

    /// The name in a safetensors header.
    package var safetensorsName: String {
        switch self {
        case .float32: "F32"
        case .float64: "F64"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .uint8: "U8"
        case .int32: "I32"
        case .int64: "I64"
        case .bool: "BOOL"
        case .e4m3: "F8_E4M3"
        }
    }

    package init?(safetensorsName: String) {
        guard let match = DType.allCases.first(where: { $0.safetensorsName == safetensorsName })
        else { return nil }
        self = match
    }
}

/// Swift types whose arrays can be copied into and out of tensors.
package protocol TensorElement: BitwiseCopyable {
    static var dtype: DType { get }
}
extension Float: TensorElement { package static var dtype: DType { .float32 } }
extension Double: TensorElement { package static var dtype: DType { .float64 } }
extension UInt8: TensorElement { package static var dtype: DType { .uint8 } }
extension Int32: TensorElement { package static var dtype: DType { .int32 } }
extension Int64: TensorElement { package static var dtype: DType { .int64 } }
extension Int: TensorElement { package static var dtype: DType { .int64 } }
