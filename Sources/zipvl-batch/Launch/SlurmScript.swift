/// A batch script: one task of an array a worker.
enum SlurmScript {
    /// From Slurm's signal to the end of the allocation: the grace and a minute to give jobs back.
    static func lead(_ plan: LaunchPlan) -> Int64 { plan.grace.components.seconds + 60 }

    static func text(_ plan: LaunchPlan) -> String {
        var options = ["--job-name=\(plan.name)"]
        if plan.workers > 1 { options.append("--array=0-\(plan.workers - 1)") }
        options += ["--nodes=1", "--ntasks=1"]
        if plan.gpusPerWorker > 0 { options.append("--gres=gpu:\(plan.gpusPerWorker)") }
        if let time = plan.time { options.append("--time=\(time.slurmTime)") }
        if let partition = plan.partition { options.append("--partition=\(partition)") }
        if let account = plan.account { options.append("--account=\(account)") }
        options += [
            "--requeue", "--open-mode=append", "--signal=B:TERM@\(lead(plan))",
            "--output=\(plan.name)-%A_%a.log",
        ]
        let device: String? =
            switch plan.gpusPerWorker {
            case 0: "cpu"
            case 1: "cuda:0"
            default: nil
            }
        let folder = plan.folder.map { "cd \(Quoting.shell($0))\n" } ?? ""
        return """
            #!/bin/bash
            \(options.map { "#SBATCH \($0)" }.joined(separator: "\n"))
            #
            # Workers of zipvl-batch: each task claims jobs from the queue until none is left. Start with
            # sbatch; start more of it whenever there is room. Slurm sends SIGTERM \(lead(plan)) s before the end:
            # the job in hand is finished or given back. Exit codes 3 (jobs failed) and 5 (work left) are no
            # errors of the task.
            \(passwordNote(plan))set -euo pipefail
            export CUDA_DEVICE_ORDER=PCI_BUS_ID
            export ZIPVL_QUEUE=\(Quoting.shell(plan.queueText))
            \(folder)# exec: the signal goes to the batch shell, which must be the worker.
            exec \(Quoting.shell([plan.executable] + plan.workArguments(device: device)))

            """
    }

    private static func passwordNote(_ plan: LaunchPlan) -> String {
        plan.hasPassword
            ? "#\n# The password was left out: PGPASSFILE or ~/.pgpass (mode 600) on each machine holds it.\n"
            : ""
    }
}
