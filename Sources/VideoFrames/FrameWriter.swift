internal import CFFmpeg

/// Brings the decoded frames of one lane to their final form and place: RGB, upright, resized, in the rows
/// that show them.
final class FrameWriter: FrameSink {
    private let rows: FrameRows
    private let request: SamplingRequest
    private let limits: SamplingLimits
    private let orientation: Orientation
    private let converter: RGBConverter
    private var resize: PillowResize?
    /// For the area of `resize`.
    private var planes: PlanarRGB?
    /// A picture turned upright, kept between frames.
    private var turned = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

    init(
        _ request: SamplingRequest, rows: FrameRows, orientation: Orientation,
        limits: SamplingLimits
    ) throws(VideoError) {
        self.request = request
        self.rows = rows
        self.limits = limits
        self.orientation = orientation
        converter = try RGBConverter(path: request.path)
    }

    deinit { turned.deallocate() }

    func take(_ picture: borrowing Picture, rank: Int) throws(VideoError) {
        let facts = PictureFacts(picture, orientation: orientation)
        guard let target = try rows.row(showing: rank, facts) else { return }
        try write(picture, facts, to: target)
        rows.spread(rank)
    }

    private func write(
        _ picture: borrowing Picture, _ facts: PictureFacts, to target: UnsafeMutablePointer<UInt8>
    ) throws(VideoError) {
        let side = request.side
        let crop = CropGeometry(width: facts.width, height: facts.height, side: max(1, side))
        if side == 0 {
            let whole = PixelArea(columns: 0..<facts.width, rows: 0..<facts.height)
            let (source, stride) = try convert(picture, whole, facts)
            Self.copy(source, stride: stride, to: target, width: facts.width, height: facts.height)
        } else if request.geometry == .squash {
            let (source, stride) = try scale(picture, width: side, height: side, averaging: true)
            Self.copy(source, stride: stride, to: target, width: side, height: side)
        } else if request.resize == .swscale, crop.width * crop.height <= limits.pixels {
            let (source, stride) = try scale(
                picture, width: crop.width, height: crop.height, averaging: false)
            let start = source + crop.top * stride + crop.left * 3
            Self.copy(start, stride: stride, to: target, width: side, height: side)
        } else {
            // Also for a picture that is a mere line: the whole would be vast, and the crop is small.
            let resize = pillow(facts)
            if write(picture.raw.pointee, resize, to: target) { return }
            let (source, stride) = try convert(picture, resize.area, facts)
            resize.apply(source, stride: stride, to: target)
        }
    }

    /// The short way of the usual kind of picture.
    ///
    /// - Returns: false if it is another
    private func write(
        _ frame: AVFrame, _ resize: PillowResize, to target: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        guard orientation.isIdentity, resize.takesPlanes, PlanarRGB.takes(frame) else {
            return false
        }
        let planes = self.planes ?? PlanarRGB(resize.area)
        self.planes = planes
        let matrix = RGBConverter.coefficients(frame)
        return resize.apply(planes: planes.stride, to: target) {
            planes.strip(frame, from: $0, matrix)
        }
    }

    private func pillow(_ facts: PictureFacts) -> PillowResize {
        if let resize, resize.width == facts.width, resize.height == facts.height { return resize }
        let fresh = PillowResize(width: facts.width, height: facts.height, side: request.side)
        (resize, planes) = (fresh, nil)
        return fresh
    }

    /// An area of the displayed picture as RGB: its first row and bytes a row.
    private func convert(
        _ picture: borrowing Picture, _ area: PixelArea, _ facts: PictureFacts
    ) throws(VideoError) -> (UnsafePointer<UInt8>, Int) {
        let stored = orientation.stored(area, width: facts.width, height: facts.height)
        let (rows, stride) = try converter.convert(picture, stored)
        return upright(rows, stride, width: stored.width, height: stored.height)
    }

    /// The whole displayed picture as RGB of another size.
    private func scale(
        _ picture: borrowing Picture, width: Int, height: Int, averaging: Bool
    ) throws(VideoError) -> (UnsafePointer<UInt8>, Int) {
        let (wide, high) = orientation.transposes ? (height, width) : (width, height)
        let (rows, stride) = try converter.scale(
            picture, width: wide, height: high, averaging: averaging)
        return upright(rows, stride, width: wide, height: high)
    }

    private func upright(
        _ stored: UnsafePointer<UInt8>, _ stride: Int, width: Int, height: Int
    ) -> (UnsafePointer<UInt8>, Int) {
        guard !orientation.isIdentity else { return (stored, stride) }
        let count = width * height * 3
        if turned.count < count {
            turned.deallocate()
            turned = .allocate(capacity: count)
        }
        guard let base = turned.baseAddress else { return (stored, stride) }
        orientation.apply(stored, stride: stride, width: width, height: height, to: base)
        return (UnsafePointer(base), (orientation.transposes ? height : width) * 3)
    }

    private static func copy(
        _ source: UnsafePointer<UInt8>, stride: Int, to target: UnsafeMutablePointer<UInt8>,
        width: Int, height: Int
    ) {
        for line in 0..<height {
            (target + line * width * 3).update(from: source + line * stride, count: width * 3)
        }
    }
}
