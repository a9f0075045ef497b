import FoundationEssentials
import VideoFrames

/// One timed sampling.
struct SampleMeasurement {
    /// Until the frames are in this process.
    var wallMilliseconds: Double
    /// Of this process and, from its start to its end, of the sampling child.
    var cpuMilliseconds: Double
    var result: SampledFrames

    /// Samples in this process.
    init(_ request: SamplingRequest) throws(VideoError) {
        let timer = ProcessTimer()
        result = try FrameSampler.sample(request)
        wallMilliseconds = timer.wallMilliseconds
        cpuMilliseconds = timer.cpuMilliseconds
    }

    /// Samples in a child that is started for this one request, so that the start of the process, the
    /// exchange and the shared memory count.
    init(_ request: SamplingRequest, childOf executable: String, timeLimit: Duration) async throws {
        let timer = ProcessTimer()
        let sampler = SamplerProcess(executable: executable, timeBudget: timeLimit)
        do {
            result = try await sampler.sample(request)
            wallMilliseconds = timer.wallMilliseconds
        } catch {
            await Self.end(sampler)
            throw error
        }
        await Self.end(sampler)
        cpuMilliseconds = timer.cpuMilliseconds
    }

    /// The child's time counts as this process's once it has been waited for.
    private static func end(_ sampler: SamplerProcess) async {
        await sampler.shutDown()
        while await sampler.childProcessIdentifier != nil {
            try? await Task.sleep(for: .milliseconds(1))
        }
    }
}

/// Median of at least one value.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
