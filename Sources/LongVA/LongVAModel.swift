package import Torch

/// Which model runs where.
package struct ModelOptions: Sendable {
    package enum DTypeChoice: String, Codable, Sendable, CaseIterable {
        /// float32 on the CPU, bfloat16 on a GPU.
        case auto
        case float32, bfloat16
    }

    /// How the weights of the large linear layers are held.
    package enum WeightFormat: String, Codable, Sendable, CaseIterable {
        /// In the run's element type.
        case asIs = "as-is"
        /// In e4m3 with one scale a row; the inputs of their products, too.
        case fp8
    }

    package var directory: String
    /// `cpu` or `cuda:N`.
    package var device: String
    package var dtype: DTypeChoice
    package var weights: WeightFormat

    package init(
        directory: String, device: String = "cpu", dtype: DTypeChoice = .auto,
        weights: WeightFormat = .asIs
    ) {
        self.directory = directory
        self.device = device
        self.dtype = dtype
        self.weights = weights
    }

    package static func resolve(_ dtype: DTypeChoice, on device: Device) -> DType {
        switch dtype {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .auto: device == .cpu ? .float32 : .bfloat16
        }
    }
}

/// CLIP ViT, MLP projector, 2x2 pooling and Qwen2, loaded from a directory in LongVA's layout.
///
/// Not `Sendable`: a model and its tensors live in one isolation domain. `answer` keeps no state.
package final class LongVAModel {
    package let tokenizer: Qwen2Tokenizer
    package let layout: CheckpointLayout
    package var generation: GenerationConfiguration
    package let visionTower: CLIPVisionTower
    package let projector: MultimodalProjector
    package let pooling: SpatialPooling
    package private(set) var decoder: Qwen2Model
    package let device: Device
    package let dtype: DType
    let attentionPlans = AttentionPlans()
    let graphDecoders = GraphDecoders()
    let frameUpload = FrameUpload()

    /// Set between two answers, where the device has less room than usual.
    package var chunks: ComputeChunks {
        get { decoder.chunks }
        set { decoder.chunks = newValue }
    }

    /// Opens, checks and loads the model. libtorch must have been loaded.
    package convenience init(_ options: ModelOptions) throws {
        try self.init(ModelDirectory(options.directory), options)
    }

    package init(_ directory: ModelDirectory, _ options: ModelOptions) throws {
        guard let device = Device(options.device) else {
            throw ModelError(
                .configuration, "device \"\(options.device)\" is neither cpu nor cuda:N")
        }
        let dtype = ModelOptions.resolve(options.dtype, on: device)
        let bytes = directory.weightBytes(dtype)
        if device == .cpu, let available = HostMemory.available(), bytes > available {
            throw ModelError(
                .wouldNotFit,
                "\(directory.path): the weights take \(bytes >> 20) MiB as \(dtype), "
                    + "but only \(available >> 20) MiB are available")
        }
        TorchLibrary.disableGradients()
        self.device = device
        self.dtype = dtype
        tokenizer = directory.tokenizer
        layout = directory.layout
        generation = directory.generation
        let format: ActivationFormat = options.weights == .fp8 ? .e4m3 : .asIs
        let tower = Weights(directory.tower, device: device, dtype: dtype, format: format)
        let text = Weights(directory.text, device: device, dtype: dtype, format: format)
        visionTower = try CLIPVisionTower(
            tower[directory.towerPrefix], layout.vision,
            selectLayer: directory.configuration.selectLayer)
        projector = try MultimodalProjector(
            text["model.mm_projector"], visionWidth: layout.vision.width,
            hiddenSize: directory.configuration.hiddenSize)
        pooling = SpatialPooling(
            grid: layout.vision.grid, stride: directory.configuration.poolStride)
        decoder = try Qwen2Model(text, layout)
    }

    /// A model whose tensors come from elsewhere, under the published names.
    package init(
        _ weights: Weights, _ layout: CheckpointLayout, tokenizerDirectory: String
    ) throws {
        TorchLibrary.disableGradients()
        device = weights.device
        dtype = weights.dtype
        tokenizer = try Qwen2Tokenizer(directory: tokenizerDirectory)
        self.layout = layout
        generation = try GenerationConfiguration(
            directory: tokenizerDirectory, defaultEnd: [tokenizer.imEnd, tokenizer.endOfText])
        visionTower = try CLIPVisionTower(
            weights[CheckpointLayout.visionPrefix], layout.vision,
            selectLayer: layout.configuration.selectLayer)
        projector = try MultimodalProjector(
            weights["model"]["mm_projector"], visionWidth: layout.vision.width,
            hiddenSize: layout.configuration.hiddenSize)
        pooling = SpatialPooling(
            grid: layout.vision.grid, stride: layout.configuration.poolStride)
        decoder = try Qwen2Model(weights, layout)
    }

    /// Side S of the frames the vision tower takes.
    package var imageSide: Int { layout.vision.imageSize }

    /// The element type the run uses, as it is stored with each job.
    package var resolvedDType: String { dtype == .bfloat16 ? "bfloat16" : "float32" }

    /// SHA-256 in hexadecimal of everything that can change an answer, large tensors by header only.
    package static func fingerprint(directory: String) throws -> String {
        try ModelFingerprint.hex(directory: directory)
    }
}
