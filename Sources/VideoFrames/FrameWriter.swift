internal import CFFmpeg

/// Brings decoded frames to their final form and place: RGB, upright, resized, in the rows that show them.
final class FrameWriter {
    private let request: SamplingRequest
    private let limits: SamplingLimits
    private let orientation: Orientation
    /// Gives the memory for all rows, once their size is known.
    private let allocate: (Int) throws(VideoError) -> UnsafeMutableRawBufferPointer
    private var converter: RGBConverter
    private var resize: PillowResize?
    /// A picture turned upright, kept between frames.
    private var turned = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)
    private var scratch: [UInt8] = []
    private var rows: UnsafeMutablePointer<UInt8>?
    private(set) var width = 0
    private(set) var height = 0
    private(set) var firstPicture: PictureFacts?

    init(
        _ request: SamplingRequest, orientation: Orientation, limits: SamplingLimits,
        allocate: @escaping (Int) throws(VideoError) -> UnsafeMutableRawBufferPointer
    ) throws(VideoError) {
        self.request = request
        self.limits = limits
        self.orientation = orientation
        self.allocate = allocate
        converter = try RGBConverter(path: request.path)
    }

    deinit { turned.deallocate() }

    private var rowBytes: Int { width * height * 3 }

    func write(_ picture: borrowing Picture, toRow row: Int) throws(VideoError) {
        let facts = PictureFacts(picture, orientation: orientation)
        if firstPicture == nil { firstPicture = facts }
        let target = try prepare(facts) + row * rowBytes
        guard request.side > 0 else {
            let (source, stride) = try convert(picture)
            copy(source, stride: stride, left: 0, top: 0, to: target)
            return
        }
        if request.geometry == .squash {
            let (source, stride) = try convert(picture, width: request.side, height: request.side)
            copy(source, stride: stride, left: 0, top: 0, to: target)
            return
        }
        let crop = CropGeometry(width: facts.width, height: facts.height, side: request.side)
        // Of a picture that is a mere line, the whole would be vast and the crop is small.
        if request.resize == .swscale, crop.width * crop.height <= limits.pixels {
            let (source, stride) = try convert(picture, width: crop.width, height: crop.height)
            copy(source, stride: stride, left: crop.left, top: crop.top, to: target)
            return
        }
        let (source, stride) = try convert(picture)
        if resize?.width != facts.width || resize?.height != facts.height {
            resize = PillowResize(width: facts.width, height: facts.height, side: request.side)
        }
        resize?.apply(source, stride: stride, to: target, scratch: &scratch)
    }

    /// Shows the frame of one row in another as well.
    func copy(row: Int, to other: Int) {
        guard let rows, row != other else { return }
        (rows + other * rowBytes).update(from: rows + row * rowBytes, count: rowBytes)
    }

    /// RGB as displayed, at the picture's own display size or scaled to another.
    private func convert(
        _ picture: borrowing Picture, width: Int? = nil, height: Int? = nil
    ) throws(VideoError) -> (UnsafePointer<UInt8>, Int) {
        let (stored, storedStride) =
            orientation.transposes
            ? try converter.convert(picture, width: height, height: width)
            : try converter.convert(picture, width: width, height: height)
        guard !orientation.isIdentity else { return (stored, storedStride) }
        var storedWidth = Int(picture.raw.pointee.width)
        var storedHeight = Int(picture.raw.pointee.height)
        if let width, let height {
            (storedWidth, storedHeight) = orientation.transposes ? (height, width) : (width, height)
        }
        let count = storedWidth * storedHeight * 3
        if turned.count < count {
            turned.deallocate()
            turned = .allocate(capacity: count)
        }
        guard let base = turned.baseAddress else { return (stored, storedStride) }
        orientation.apply(
            stored, stride: storedStride, width: storedWidth, height: storedHeight, to: base)
        return (UnsafePointer(base), (orientation.transposes ? storedHeight : storedWidth) * 3)
    }

    private func copy(
        _ source: UnsafePointer<UInt8>, stride: Int, left: Int, top: Int,
        to target: UnsafeMutablePointer<UInt8>
    ) {
        for line in 0..<height {
            (target + line * width * 3).update(
                from: source + (top + line) * stride + left * 3, count: width * 3)
        }
    }

    /// The rows' memory, allocated with the first picture.
    private func prepare(_ facts: PictureFacts) throws(VideoError) -> UnsafeMutablePointer<UInt8> {
        let (wide, high) =
            request.side > 0 ? (request.side, request.side) : (facts.width, facts.height)
        if let rows {
            guard wide == width, high == height else {
                throw VideoError(
                    code: .decode, path: request.path,
                    message: "expected frames of \(width)x\(height) throughout, found one of "
                        + "\(wide)x\(high); a side length makes them equal")
            }
            return rows
        }
        let (bytes, overflow) = (wide * high * 3).multipliedReportingOverflow(by: request.frames)
        guard !overflow, bytes <= limits.outputBytes else {
            throw VideoError(
                code: .tooLarge, path: request.path,
                message: "expected at most \(limits.outputBytes) bytes of frames, found "
                    + "\(request.frames) frames of \(wide)x\(high)")
        }
        let memory = try allocate(bytes)
        guard memory.count >= bytes, let base = memory.baseAddress else {
            throw .outOfMemory(request.path, "\(request.frames) frames")
        }
        let rows = base.assumingMemoryBound(to: UInt8.self)
        (width, height, self.rows) = (wide, high, rows)
        return rows
    }
}
