/// A row of `jobs` by column names, as JSON with snake case.
struct JobRecord: Encodable {
    var place: Int
    var batchID, videoID, configID: Int64
    var customID: String?
    var question: String
    var choicesJSON, expected: String?
    var dedupeKey, queue: String
    var priority: Int
    var state: String
    var runAtMS: Int64
    var maxAttempts, maxCrashes: Int
    var timeoutMS: Int64
    var errorClass, errorCode, errorMessage, stage: String?

    init(
        _ item: NewJob, key: String, place: Int, batch: Int64, video: Int64, config: Int64,
        now: Int64
    ) {
        self.place = place
        batchID = batch
        videoID = video
        configID = config
        customID = item.customID
        question = item.question
        choicesJSON = item.choices.map(JSONText.encode)
        expected = item.expected
        dedupeKey = key
        queue = item.queue
        priority = item.priority
        state = item.state.rawValue
        runAtMS = item.runAt?.milliseconds ?? now
        maxAttempts = item.maxAttempts
        maxCrashes = item.maxCrashes
        timeoutMS = item.timeout.milliseconds
        errorClass = item.failure?.errorClass.rawValue
        let failure = item.failure?.storable
        errorCode = failure?.code
        errorMessage = failure?.message
        stage = failure?.stage
    }
}

/// A row of `videos` by column names, as JSON with snake case.
struct VideoRow: Encodable {
    var contentID, path: String
    var sizeBytes, mtimeNS: Int64
    var durationMS: Int64?
    var widthPX, heightPX: Int?
    var fps: Double?
    var frameCount: Int?
    var codec, container, probeError: String?

    init(_ video: VideoRecord) {
        contentID = video.contentID
        path = video.path
        sizeBytes = video.sizeBytes
        mtimeNS = video.mtimeNanoseconds
        durationMS = video.durationMilliseconds
        widthPX = video.width
        heightPX = video.height
        fps = video.framesPerSecond
        frameCount = video.frameCount
        codec = video.codec
        container = video.container
        probeError = video.probeError?.withoutNUL
    }

    /// What this later record says, and the earlier one where this says nothing.
    func over(_ old: VideoRow) -> VideoRow {
        var row = self
        row.durationMS = durationMS ?? old.durationMS
        row.widthPX = widthPX ?? old.widthPX
        row.heightPX = heightPX ?? old.heightPX
        row.fps = fps ?? old.fps
        row.frameCount = frameCount ?? old.frameCount
        row.codec = codec ?? old.codec
        row.container = container ?? old.container
        return row
    }
}
