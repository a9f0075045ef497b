import SparsePrefill
import Torch

extension LongVAModel {
    /// Answers one question about one video.
    ///
    /// - Parameter progress: called with the stage's name and its share done, 0 to 1; what it throws
    ///   ends the answer (cancellation).
    /// - Throws: `ModelError` for frames, prompt length, memory and NaN; `TorchError` from libtorch.
    package func answer(
        _ request: AnswerRequest, frames: FrameBatch,
        progress: (String, Double) throws -> Void = { _, _ in }
    ) throws -> GeneratedAnswer {
        TorchLibrary.disableGradients()
        let plan = PrefillPlan(request.prefill)
        let trace = Trace(request.trace)
        try check(request, frames: frames.count)
        let video = try encode(
            frames, classAttention: plan.policy.needsClassAttention, trace: trace,
            progress: progress)
        return try answer(request, video, plan, trace: trace, progress: progress)
    }

    /// Answers one question about a video that was encoded before, as if it had been encoded for it.
    ///
    /// - Parameters:
    ///   - video: with its class attention where the request needs it
    ///   - prefix: of the video and the request's settings; `nil` computes it
    /// - Throws: as `answer(_:frames:progress:)`
    package func answer(
        _ request: AnswerRequest, video: EncodedVideo, prefix: VisualPrefix? = nil,
        progress: (String, Double) throws -> Void = { _, _ in }
    ) throws -> GeneratedAnswer {
        TorchLibrary.disableGradients()
        try check(request, frames: video.frames)
        return try answer(
            request, video, PrefillPlan(request.prefill), trace: Trace(request.trace),
            prefix: prefix, progress: progress)
    }

    /// Answers several questions, or one by several methods, about one video that is encoded once.
    ///
    /// - Returns: in the order of the requests; one that fails does not end the others. `visionMS` is
    ///   the same in all.
    /// - Parameter each: called with the index of a request and its result as soon as it is there
    /// - Throws: what `progress` throws, and what the encoding throws.
    package func answers(
        to requests: [AnswerRequest], frames: FrameBatch,
        progress: (String, Double) throws -> Void = { _, _ in },
        each: (Int, Result<GeneratedAnswer, any Error>) -> Void = { _, _ in }
    ) throws -> [Result<GeneratedAnswer, any Error>] {
        TorchLibrary.disableGradients()
        let checks = requests.map { request in Result { try check(request, frames: frames.count) } }
        let plans = requests.map { PrefillPlan($0.prefill) }
        // What cannot be answered costs no pass through the tower.
        let video =
            try checks.contains { (try? $0.get()) != nil }
            ? encode(
                frames, classAttention: plans.contains { $0.policy.needsClassAttention },
                progress: progress) : nil
        var results: [Result<GeneratedAnswer, any Error>] = []
        while results.count < requests.count {
            let start = results.count
            var group = AnswerGroup(limit: try togetherLimit)
            for index in start..<requests.count where !group.isFull {
                var interruption: (any Error)?
                func tell(_: String, _: Double) throws {
                    do {
                        try progress("answers", Double(index) / Double(requests.count))
                    } catch {
                        interruption = error
                        throw error
                    }
                }
                try tell("", 0)
                group.add(
                    Result {
                        try checks[index].get()
                        guard let video else {
                            throw ModelError(.frames, "no frames were encoded")
                        }
                        return try prefilled(
                            requests[index], video, plans[index], trace: Trace(nil),
                            progress: tell)
                    })
                if let interruption { throw interruption }
            }
            try decodeTogether(&group) {
                try progress("answers", Double(start) / Double(requests.count))
            }
            for result in group.answers {
                let answer = result.flatMap { prefilled in Result { try finished(prefilled) } }
                each(results.count, answer)
                results.append(answer)
            }
        }
        return results
    }

    private func answer(
        _ request: AnswerRequest, _ video: EncodedVideo, _ plan: PrefillPlan, trace: Trace,
        prefix known: VisualPrefix? = nil, progress: (String, Double) throws -> Void
    ) throws -> GeneratedAnswer {
        var answer = try prefilled(
            request, video, plan, trace: trace, prefix: known, progress: progress)
        try generate(&answer, progress: progress)
        try trace.add("prompt_ids", Tensor(answer.chat.ids(visualTokens: video.tokens.shape[0])))
        if let kept = answer.visualKept { try trace.add("visual_kept", Tensor(kept)) }
        try trace.add("prefill_logits", answer.logits)
        try trace.add("output_ids", Tensor(answer.sequence.ids))
        try trace.add(reports: answer.reports, promptTokens: answer.sequence.position)
        try trace.write()
        return try finished(answer)
    }

    /// Everything up to the first token.
    private func prefilled(
        _ request: AnswerRequest, _ video: EncodedVideo, _ plan: PrefillPlan, trace: Trace,
        prefix known: VisualPrefix? = nil, progress: (String, Double) throws -> Void
    ) throws -> PrefilledAnswer {
        let chat = ChatPrompt(
            question: request.question, choices: request.choices, tokenizer: tokenizer)
        let promptTokens = chat.prefix.count + video.tokens.shape[0] + chat.suffix.count
        if request.prefill.method.selectsTokens {
            try attentionPlans.prepare(
                upTo: promptTokens, bucket: request.prefill.selectBucket,
                geometry: decoder.decoderSizes.attention, like: video.tokens)
        }
        var clock = StageClock()
        var cache = KVCache(
            room: request.maxNewTokens,
            plan: KVCachePlan(request.prefill, layerCount: decoder.configuration.layerCount))
        func observe(_ layer: Int, _ x: () throws -> Tensor) throws {
            if trace.wantsHiddenStates {
                let x = try x()
                try trace.addFloats("hidden.\(layer)", x.reshaped([x.shape[1], -1]))
            }
            try progress("prefill", Double(layer) / Double(decoder.configuration.layerCount))
        }
        let logits: Tensor
        let reports: [LayerReport]
        let visualKept: [Int]?
        let prefix =
            try known
            ?? prefix(
                request, video, chat, keepsHidden: trace.wantsHiddenStates, progress: progress)
        _ = clock.lap()
        if let prefix {
            visualKept = prefix.visualKept
            (logits, reports) = try decoder.prefill(
                after: prefix.decoded, decoder.embed(chat.suffix),
                positions: Array(promptTokens - chat.suffix.count..<promptTokens),
                promptTokens: promptTokens, cache: &cache, observe: observe)
        } else {
            visualKept = try chooseVisualTokens(plan, video)
            try progress("prefill", 0)
            (logits, reports) = try decoder.prefill(
                splice(chat, video.tokens, kept: visualKept), plan: plan, cache: &cache,
                observe: observe)
        }
        let first = try greedy.nextToken(logits.values(), generated: [])
        return PrefilledAnswer(
            chat: chat, visualKept: visualKept, visualTokens: video.tokens.shape[0],
            logits: logits, reports: reports,
            sequence: DecodingSequence(
                cache: cache, first: first, position: promptTokens,
                limit: request.maxNewTokens, endOfSequence: generation.endOfSequence),
            visionMS: video.milliseconds, prefillMS: (prefix?.milliseconds ?? 0) + clock.lap())
    }

    private func finished(_ prefilled: PrefilledAnswer) throws -> GeneratedAnswer {
        let sequence = prefilled.sequence
        if let failure = sequence.failure { throw failure }
        var answer = figures(
            prefilled.reports, promptTokens: sequence.position,
            visualTokens: prefilled.visualTokens, decodeSteps: sequence.steps)
        answer.kvCacheBytesUsed = sequence.cache.peakByteCount
        answer.text = tokenizer.decode(sequence.ids).trimmed()
        answer.outputIDs = sequence.ids
        answer.outputTokens = sequence.ids.count
        answer.finishReason = sequence.ended ? .stop : .length
        (answer.visionMS, answer.prefillMS) = (prefilled.visionMS, prefilled.prefillMS)
        answer.generateMS = prefilled.generateMS
        return answer
    }

    /// Text embeddings with the visual tokens between them.
    ///
    /// - Parameter kept: visual tokens that enter, ascending; `nil` is all.
    private func splice(
        _ chat: ChatPrompt, _ visualTokens: Tensor, kept: [Int]?
    ) throws -> Qwen2Model.Prompt {
        let entering = try kept.map { try visualTokens.gathered(0, Tensor($0, on: device)) }
        let visual = entering ?? visualTokens
        let embeddings = try Tensor.concatenated(
            [decoder.embed(chat.prefix), visual.unsqueezed(0), decoder.embed(chat.suffix)], axis: 1)
        let start = chat.prefix.count
        let layout = PromptLayout(
            count: embeddings.shape[1], visual: start..<start + visual.shape[0])
        guard let kept else { return Qwen2Model.Prompt(embeddings: embeddings, layout: layout) }
        let end = start + visualTokens.shape[0]
        let promptTokens = end + chat.suffix.count
        return Qwen2Model.Prompt(
            embeddings: embeddings, layout: layout,
            positions: Array(0..<start) + kept.map { start + $0 } + Array(end..<promptTokens),
            promptTokens: promptTokens)
    }

    /// Prompt length and memory, before anything is computed.
    ///
    /// - Throws: `ModelError` (`promptTooLong`, `wouldNotFit`)
    package func check(_ request: AnswerRequest, frames: Int) throws {
        guard request.maxNewTokens > 0 else {
            throw ModelError(
                .promptTooLong, "max-new-tokens must be positive, not \(request.maxNewTokens)")
        }
        let chat = ChatPrompt(
            question: request.question, choices: request.choices, tokenizer: tokenizer)
        let visual = frames * pooling.tokensPerFrame
        let n = chat.prefix.count + visual + chat.suffix.count
        // Cutting the prompt's end, as upstream does, would cut the question.
        if let limit = layout.configuration.promptLimit, n + request.maxNewTokens > limit {
            throw ModelError(
                .promptTooLong,
                "\(n) prompt tokens (\(visual) visual) and \(request.maxNewTokens) new ones exceed "
                    + "the model's \(limit) (tokenizer_model_max_length); use fewer frames")
        }
        if device == .cpu {
            try MemoryEstimate(
                layout: layout, frames: frames, visionBatch: chunks.visionBatch, promptTokens: n,
                newTokens: request.maxNewTokens, elementBytes: dtype.byteCount
            ).require(available: HostMemory.available(), promptTokens: n)
        }
    }

    /// Everything about an answer but its text, times and cache.
    private func figures(
        _ reports: [LayerReport], promptTokens n: Int, visualTokens: Int, decodeSteps: Int
    ) -> GeneratedAnswer {
        let ledger = FLOPsLedger(
            decoder.decoderSizes, reports: reports, promptTokens: n, decodeSteps: decodeSteps)
        let layers = LayerFigures(reports, promptTokens: n)
        let geometry = decoder.decoderSizes.attention
        let ratios = layers.keptRatio.compactMap { $0 }
        return GeneratedAnswer(
            text: "", outputIDs: [], finishReason: .length, visualTokens: visualTokens,
            promptTokens: n, outputTokens: 0,
            keptTokenRatioMean: ratios.count == reports.count
                ? ratios.reduce(0, +) / Double(max(reports.count, 1)) : nil,
            attnFLOPsDense: ledger.attentionDense, attnFLOPsUsed: ledger.attentionUsed,
            attnFLOPsSavedPctPaper: ledger.attentionSavedPercentPaper,
            llmFLOPsDense: ledger.decoderDense, llmFLOPsUsed: ledger.decoderUsed,
            kvCacheBytesDense: KVCache.bytes(
                entries: reports.count * (n + decodeSteps), keyValueHeads: geometry.keyValueHeads,
                headWidth: geometry.headWidth, elementBytes: dtype.byteCount),
            kvCacheBytesUsed: 0, visionMS: 0, prefillMS: 0, generateMS: 0, layers: layers)
    }
}

extension String {
    fileprivate func trimmed() -> String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
