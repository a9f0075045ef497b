/// Units for one machine: a timer and a worker for each GPU.
enum SystemdUnits {
    static func files(_ plan: LaunchPlan) -> [LaunchPlan.File] {
        var files = [
            LaunchPlan.File(name: "\(plan.name)@.service", text: service(plan)),
            LaunchPlan.File(name: "\(plan.name)@.timer", text: timer(plan)),
        ]
        if let job = plan.job {
            files.append(.init(name: "\(plan.name)-enqueue.service", text: enqueue(plan, job)))
        }
        return files
    }

    /// What to do with the files.
    static func advice(_ plan: LaunchPlan) -> String {
        let timers = (0..<plan.workers).map { "\(plan.name)@\($0).timer" }.joined(separator: " ")
        return """
            # Put the files into /etc/systemd/system (or ~/.config/systemd/user with --user), then:
            #   systemctl daemon-reload
            #   systemctl enable --now \(timers)
            """
    }

    private static func environment(_ plan: LaunchPlan) -> String {
        let folder = plan.folder.map { "\nWorkingDirectory=\(escapedPath($0))" } ?? ""
        let queue = Quoting.systemd("ZIPVL_QUEUE=" + plan.queueText)
        let password =
            plan.hasPassword
            ? "\n# The password was left out: put PGPASSWORD=… into this file, mode 600.\n"
                + "EnvironmentFile=-/etc/\(plan.name).env" : ""
        return "Environment=\(queue)\(password)\(folder)"
    }

    /// Settings that are one path take no quotes.
    private static func escapedPath(_ path: String) -> String {
        path.replacing("%", with: "%%")
    }

    private static func command(_ plan: LaunchPlan, _ words: [String]) -> String {
        // `%i` is systemd's own and stays.
        ([plan.executable] + words).map {
            $0 == "cuda:%i" ? $0 : Quoting.systemd($0, isCommand: true)
        }.joined(separator: " ")
    }

    private static func service(_ plan: LaunchPlan) -> String {
        let device = plan.gpusPerWorker == 0 ? "cpu" : "cuda:%i"
        let what = plan.gpusPerWorker == 0 ? "worker %i" : "worker on GPU %i"
        let enqueue =
            plan.job == nil
            ? "" : "\nWants=\(plan.name)-enqueue.service\nAfter=\(plan.name)-enqueue.service"
        var arguments = plan.workArguments(device: device)
        if let time = plan.time { arguments += ["--max-time", "\(time.components.seconds)s"] }
        return """
            [Unit]
            Description=zipvl-batch, \(what)
            Wants=network-online.target
            After=network-online.target\(enqueue)

            [Service]
            Type=exec
            Environment=CUDA_DEVICE_ORDER=PCI_BUS_ID
            \(environment(plan))
            ExecStart=\(command(plan, arguments))
            # The first SIGTERM lets the job in hand finish; only the worker gets it, not its children.
            KillMode=mixed
            KillSignal=SIGTERM
            TimeoutStopSec=\(plan.grace.components.seconds + 60)
            # 3: some jobs failed; 5: the time was up with work left.
            SuccessExitStatus=3 5
            # Usage, a corrupt database, a wrong configuration: another try would end the same way.
            RestartPreventExitStatus=2 76 78
            Restart=on-failure
            RestartSec=60

            """
    }

    private static func timer(_ plan: LaunchPlan) -> String {
        """
        [Unit]
        Description=zipvl-batch, worker %i every night

        [Timer]
        OnCalendar=*-*-* \(plan.at)
        # A night that was slept through is made up for.
        Persistent=true
        RandomizedDelaySec=2m

        [Install]
        WantedBy=timers.target

        """
    }

    private static func enqueue(_ plan: LaunchPlan, _ job: String) -> String {
        """
        [Unit]
        Description=zipvl-batch, enqueueing before the workers start
        Wants=network-online.target
        After=network-online.target

        [Service]
        Type=oneshot
        \(environment(plan))
        ExecStart=\(command(plan, ["enqueue", "--job", job]))
        # 3: lines of a manifest that were wrong; the others are queued.
        SuccessExitStatus=3

        """
    }
}
