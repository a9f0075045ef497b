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
        let trace = Trace(request.trace)
        let prompt = ChatPrompt(
            question: request.question, choices: request.choices, tokenizer: tokenizer)
        try check(frames, prompt, maxNewTokens: request.maxNewTokens)

        var clock = StageClock()
        let visualTokens = try encode(frames, trace: trace, progress: progress)  // [V, D]
        let visionMS = clock.lap()

        let (embeddings, layout) = try splice(prompt, visualTokens)  // [1, n, D]
        var cache = KVCache(room: request.maxNewTokens)
        try progress("prefill", 0)
        let (logits, reports) = try decoder.prefill(
            embeddings, layout: layout, policy: request.prefill.makePolicy(), cache: &cache
        ) { layer, x in
            if trace.wantsHiddenStates {
                try trace.addFloats("hidden.\(layer)", x.reshaped([layout.count, -1]))
            }
            try progress("prefill", Double(layer) / Double(decoder.configuration.layerCount))
        }
        let firstLogits: [Float] = try logits.values()
        let prefillMS = clock.lap()

        let output = try generate(
            from: firstLogits, position: layout.count, request.maxNewTokens, cache: &cache,
            progress: progress)
        let generateMS = clock.lap()

        try trace.add("prompt_ids", Tensor(prompt.ids(visualTokens: visualTokens.shape[0])))
        try trace.add("prefill_logits", logits)
        try trace.add("output_ids", Tensor(output.ids))
        try trace.add(reports: reports)
        try trace.write()

        var answer = figures(reports, layout: layout, decodeSteps: output.decodeSteps)
        answer.text = tokenizer.decode(output.ids).trimmed()
        answer.outputIDs = output.ids
        answer.outputTokens = output.ids.count
        answer.finishReason = output.ended ? .stop : .length
        (answer.visionMS, answer.prefillMS, answer.generateMS) = (visionMS, prefillMS, generateMS)
        return answer
    }

    /// Frames to visual tokens [V, D]: tower, projector, pooling, a few frames at a time.
    private func encode(
        _ frames: FrameBatch, trace: Trace, progress: (String, Double) throws -> Void
    ) throws -> Tensor {
        try trace.add(frames: frames)
        var parts: [Tensor] = []
        for start in stride(from: 0, to: frames.count, by: Self.visionBatch) {
            try progress("encode", Double(start) / Double(frames.count))
            let pixels = try PixelNormalization.normalized(
                frames, from: start, count: min(Self.visionBatch, frames.count - start), on: device)
            let features = try visionTower(pixels.converted(to: dtype))  // [B, P, Dv]
            let pooled = try pooling(projector(features))  // [B, t, D]
            parts.append(try pooled.reshaped([-1, pooled.shape[2]]))
            try trace.append("pixel_values", pixels)
            try trace.append("vision_features", features)
        }
        let tokens = parts.count == 1 ? parts[0] : try Tensor.concatenated(parts, axis: 0)
        try trace.addFloats("visual_tokens", tokens)
        return tokens
    }

    /// Text embeddings with the visual tokens between them, [1, n, D].
    private func splice(
        _ prompt: ChatPrompt, _ visualTokens: Tensor
    ) throws -> (embeddings: Tensor, layout: PromptLayout) {
        let embeddings = try Tensor.concatenated(
            [
                decoder.embed(prompt.prefix), visualTokens.unsqueezed(0),
                decoder.embed(prompt.suffix),
            ], axis: 1)
        let start = prompt.prefix.count
        let layout = PromptLayout(
            count: embeddings.shape[1], visual: start..<start + visualTokens.shape[0])
        return (embeddings, layout)
    }

    /// Greedy decoding until an end token or `limit` tokens. The first token needs no forward pass of
    /// its own; the last one generated is never fed back.
    private func generate(
        from firstLogits: [Float], position: Int, _ limit: Int, cache: inout KVCache,
        progress: (String, Double) throws -> Void
    ) throws -> (ids: [Int], ended: Bool, decodeSteps: Int) {
        let greedy = GreedyDecoding(
            tokenCount: tokenizer.count, repetitionPenalty: generation.repetitionPenalty)
        var ids: [Int] = []
        var steps = 0
        var logits = firstLogits
        while true {
            let token = try greedy.nextToken(logits, generated: ids)
            if generation.endOfSequence.contains(token) { return (ids, true, steps) }
            ids.append(token)
            if ids.count >= limit { return (ids, false, steps) }
            try progress("decode_text", Double(ids.count) / Double(limit))
            logits = try decoder.decode(token, position: position + steps, cache: &cache).values()
            steps += 1
        }
    }

    private func check(_ frames: FrameBatch, _ prompt: ChatPrompt, maxNewTokens: Int) throws {
        guard frames.side == imageSide, frames.count > 0,
            frames.pixels.count == frames.count * imageSide * imageSide * 3
        else {
            throw ModelError(
                .frames,
                "\(frames.count) frames of side \(frames.side) in \(frames.pixels.count) bytes; "
                    + "this model takes RGB frames of side \(imageSide)")
        }
        guard maxNewTokens > 0 else {
            throw ModelError(.promptTooLong, "max-new-tokens must be positive, not \(maxNewTokens)")
        }
        let visual = frames.count * pooling.tokensPerFrame
        let n = prompt.prefix.count + visual + prompt.suffix.count
        // Cutting the prompt's end, as upstream does, would cut the question.
        if let limit = layout.configuration.promptLimit, n + maxNewTokens > limit {
            throw ModelError(
                .promptTooLong,
                "\(n) prompt tokens (\(visual) visual) and \(maxNewTokens) new ones exceed the model's "
                    + "\(limit) (tokenizer_model_max_length); use fewer frames")
        }
        if device == .cpu {
            try MemoryEstimate(
                layout: layout, frames: frames.count, visionBatch: Self.visionBatch,
                promptTokens: n,
                newTokens: maxNewTokens, elementBytes: dtype.byteCount
            ).require(available: HostMemory.available(), promptTokens: n)
        }
    }

    /// Everything about an answer but its text and times.
    private func figures(
        _ reports: [LayerReport], layout: PromptLayout, decodeSteps: Int
    ) -> GeneratedAnswer {
        let n = layout.count
        let ledger = FLOPsLedger(
            decoder.decoderSizes, reports: reports, promptTokens: n, decodeSteps: decodeSteps)
        let layers = LayerFigures(reports, promptTokens: n)
        let geometry = decoder.decoderSizes.attention
        func bytes(_ entries: Int) -> Int64 {
            KVCache.bytes(
                entries: entries, keyValueHeads: geometry.keyValueHeads,
                headWidth: geometry.headWidth, elementBytes: dtype.byteCount)
        }
        return GeneratedAnswer(
            text: "", outputIDs: [], finishReason: .length, visualTokens: layout.visual.count,
            promptTokens: n, outputTokens: 0,
            keptTokenRatioMean: layers.keptRatio.reduce(0, +) / Double(max(reports.count, 1)),
            attnFLOPsDense: ledger.attentionDense, attnFLOPsUsed: ledger.attentionUsed,
            attnFLOPsSavedPctPaper: ledger.attentionSavedPercentPaper,
            llmFLOPsDense: ledger.decoderDense, llmFLOPsUsed: ledger.decoderUsed,
            kvCacheBytesDense: bytes(reports.count * (n + decodeSteps)),
            kvCacheBytesUsed: bytes(reports.reduce(0) { $0 + $1.cached + decodeSteps }),
            visionMS: 0, prefillMS: 0, generateMS: 0, layers: layers)
    }
}

/// Milliseconds since the last lap, on the monotonic clock.
private struct StageClock {
    private var last = ContinuousClock.now

    mutating func lap() -> Double {
        let now = ContinuousClock.now
        defer { last = now }
        return (now - last) / .milliseconds(1)
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
