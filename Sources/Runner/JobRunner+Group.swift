import Jobs

extension JobRunner {
    /// Claimed jobs of one video with what the engine needs.
    struct PreparedGroup: Sendable {
        struct Member: Sendable {
            let lease: AttemptLease
            let input: Engine.Prepared
        }
        let members: [Member]
        /// How long preparing took; every member's time limit covers it.
        let spent: Duration
        var isSuspect: Bool { members.contains { $0.lease.claim.crashes > 0 } }
    }

    /// `nil` when no member is left to answer: all were settled.
    func prepare(_ leases: [AttemptLease]) async -> PreparedGroup? {
        for lease in leases { lease.note(stage: "decode", progress: 0) }
        let began = clock.uptime()
        let claims = leases.map(\.claim)
        let run = await supervise(
            leases, budget: claims.map(\.timeout).max() ?? .zero,
            stop: { [self] in await isCalledOff() }
        ) { [engine] in
            claims.count > 1
                ? try await engine.prepare(group: claims)
                : [.success(try await engine.prepare(claims[0]))]
        }
        var members: [PreparedGroup.Member] = []
        for (index, lease) in leases.enumerated() {
            if let reason = lease.takenAway.value {
                await settle(lease, reason)
                continue
            }
            switch run.result.flatMap({ $0[index] }) {
            // The request to stop may have come with the last frame.
            case .success where stop.isRequested || isEnding.value != nil:
                await settle(lease, Interruption.stopped)
            case .success(let input): members.append(.init(lease: lease, input: input))
            case .failure(let error): await settle(lease, error)
            }
        }
        await ending(of: run)
        return members.isEmpty
            ? nil : PreparedGroup(members: members, spent: clock.uptime() - began)
    }

    /// Answers the jobs of a group and tells the queue of each as soon as it is answered. Never throws:
    /// whatever happens ends in a job's row.
    func perform(_ group: PreparedGroup) async {
        for member in group.members {
            if let reason = member.lease.takenAway.value {
                await settle(member.lease, reason)
            } else if stop.isRequested || fatal != nil || isHung {
                // In hand, never begun.
                await settle(member.lease, Interruption.stopped)
            } else if isHalted || isOutOfTime {
                await settle(member.lease, Interruption.outOfTime)
            } else {
                await perform(member, spent: group.spent)
            }
        }
        // An engine that still computes would not listen.
        if group.members.count > 1, !isHung, !stop.isForced {
            await engine.finish(group: group.members[0].input)
        }
    }

    private func perform(
        _ member: PreparedGroup.Member, spent: Duration
    ) async {
        let (lease, claim) = (member.lease, member.lease.claim)
        guard await start(lease) else { return }
        observer?.handle(.started(claim))
        lease.log?.begin()
        let began = clock.uptime()
        let run = await supervise(
            [lease], budget: claim.timeout - spent, stop: { [self] in await isOver() }
        ) { [engine, observer] in
            try await engine.answer(claim, member.input) { stage, fraction in
                lease.note(stage: stage, progress: fraction)
                observer?.handle(.progress(claim, stage: stage, fraction: fraction))
            }
        }
        pace.add(clock.uptime() - began)
        await settle(lease, run.result)
        // The engine winds down at its next progress point; two answers never overlap. Only a forced
        // stop does not wait.
        await ending(of: run)
    }

    /// Waits until nothing more is to be prepared.
    private func isCalledOff() async -> Bool {
        await withTaskGroup { [stop, isEnding] group in
            group.addTask { await stop.first.wait() != nil }
            group.addTask { await isEnding.wait() != nil }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }

    /// Waits until the job in hand must end: asked a second time, or the grace after the first is over.
    private func isOver() async -> Bool {
        guard await stop.first.wait() != nil else { return false }
        await withTaskGroup { [clock, options, stop] group in
            group.addTask { _ = await stop.second.wait() }
            group.addTask { await clock.sleep(options.grace) }
            await group.next()
            group.cancelAll()
        }
        return !Task.isCancelled
    }

    /// Waits for a step that was given up, as long as the options say.
    private func ending<Value: Sendable>(of run: SupervisedRun<Value>) async {
        if stop.isForced || isHung || run.ended.value != nil { return }
        await withTaskGroup { [clock, options, stop] group in
            group.addTask { _ = await run.ended.wait() }
            group.addTask { _ = await stop.second.wait() }
            group.addTask { await clock.sleep(options.engineGrace) }
            await group.next()
            group.cancelAll()
        }
        if run.ended.value != nil || stop.isForced { return }
        isHung = true
        isEnding.set(())
        observer?.handle(
            .notice(
                "the engine did not end within \(options.engineGrace) after its job was given up"))
    }
}
