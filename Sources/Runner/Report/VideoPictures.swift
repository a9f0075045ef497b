import Foundation

/// The videos' pictures: each stands once in the style sheet, however many answers show it.
struct VideoPictures {
    /// Rules of the pictures' classes.
    let sheet: HTML
    private let places: [String: Int]
    private let isOff: Bool

    init(_ content: ReportContent) {
        isOff = !content.showsThumbnails
        let videos = isOff ? [] : content.thumbnails.sorted { $0.key < $1.key }
        var places: [String: Int] = [:]
        var rules = ""
        for (place, video) in videos.enumerated() {
            places[video.key] = place
            // Base64 and a known type: nothing here comes as text from outside.
            let type = video.value.type == "image/jpeg" ? "image/jpeg" : "image/png"
            rules +=
                ".v\(place){background-image:url(data:\(type);base64,"
                + video.value.data.base64EncodedString() + ")}\n"
        }
        self.places = places
        sheet = HTML(stringLiteral: rules)
    }

    /// A neutral box where there is no picture of the video.
    func picture(of contentID: String) -> HTML {
        if isOff { return "" }
        guard let place = places[contentID] else { return "<span class=\"t none\"></span>" }
        return "<span class=\"t v\(place)\"></span>"
    }
}
