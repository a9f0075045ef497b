/// Shortest edge to `side`, then the centre `side` x `side`: the preprocessing of CLIP's image processor.
struct CropGeometry: Equatable {
    /// Size of the whole resized picture.
    let width: Int
    let height: Int
    /// Where the crop begins in it.
    let left: Int
    let top: Int
    let side: Int

    /// The longer edge is truncated: 1920 x 1080 to 336 gives 597 x 336, cropped from column 130 on.
    init(width: Int, height: Int, side: Int) {
        let short = max(1, min(width, height))
        let long = side * max(width, height) / short
        self.side = side
        self.width = width <= height ? side : long
        self.height = width <= height ? long : side
        left = (self.width - side) / 2
        top = (self.height - side) / 2
    }
}
