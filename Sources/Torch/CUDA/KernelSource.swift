/// A file of CUDA C++ that belongs to the program, compiled when its first kernel is launched.
package struct KernelSource: Sendable, Hashable {
    package let name: String
    /// Lines in front of the file.
    private var constants = ""
    private let bytes: @Sendable () -> [UInt8]

    init(_ name: String, _ bytes: @autoclosure @escaping @Sendable () -> [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    /// The same file with constants of its own in place of those that it falls back to.
    package func defining(_ values: KeyValuePairs<String, Int>) -> KernelSource {
        var source = self
        source.constants += values.map { "#define \($0) \($1)\n" }.joined()
        return source
    }

    /// What the compiler is given: the common part, the constants, then the file.
    package var text: String {
        String(decoding: PackageResources.common_cuh, as: UTF8.self)
            + "\n\(constants)#line 1 \"\(name).cu\"\n" + String(decoding: bytes(), as: UTF8.self)
    }

    package static func == (a: KernelSource, b: KernelSource) -> Bool {
        a.name == b.name && a.constants == b.constants
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(constants)
    }
}

/// One for each file in Kernels.
extension KernelSource {
    package static let all = [
        decodeAttention, elementwise, gather, kvAttention, kvPack, matvec, norms, patches,
        patchOutputs, probe, rope, sparseAttention, sparseEstimate, select, sampling,
    ]

    package static let decodeAttention = KernelSource(
        "decode_attention", PackageResources.decode_attention_cu)
    package static let elementwise = KernelSource("elementwise", PackageResources.elementwise_cu)
    package static let gather = KernelSource("gather", PackageResources.gather_cu)
    package static let kvAttention = KernelSource("kv_attention", PackageResources.kv_attention_cu)
    package static let kvPack = KernelSource("kv_pack", PackageResources.kv_pack_cu)
    package static let matvec = KernelSource("matvec", PackageResources.matvec_cu)
    package static let norms = KernelSource("norms", PackageResources.norms_cu)
    package static let patches = KernelSource("patches", PackageResources.patches_cu)
    package static let patchOutputs = KernelSource(
        "patch_outputs", PackageResources.patch_outputs_cu)
    package static let probe = KernelSource("probe", PackageResources.probe_cu)
    package static let rope = KernelSource("rope", PackageResources.rope_cu)
    package static let sparseAttention = KernelSource(
        "sparse_attention", PackageResources.sparse_attention_cu)
    package static let sparseEstimate = KernelSource(
        "sparse_estimate", PackageResources.sparse_estimate_cu)
    package static let select = KernelSource("select", PackageResources.select_cu)
    package static let sampling = KernelSource("sampling", PackageResources.sampling_cu)
}
