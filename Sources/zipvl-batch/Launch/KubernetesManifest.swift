import Jobs

/// A Job whose pods are workers.
enum KubernetesManifest {
    static func text(_ plan: LaunchPlan) -> String {
        let seconds = plan.grace.components.seconds + 60
        let device: String? =
            switch plan.gpusPerWorker {
            case 0: "cpu"
            case 1: "cuda:0"
            default: nil
            }
        var arguments = plan.workArguments(device: device)
        if let time = plan.time { arguments += ["--max-time", "\(time.components.seconds)s"] }
        let limits =
            plan.gpusPerWorker > 0
            ? """

                      resources:
                        limits:
                          nvidia.com/gpu: \(plan.gpusPerWorker)
            """ : ""
        return """
            # Workers of zipvl-batch: each pod claims jobs from the queue until none is left. kubectl apply -f
            # this file. The videos must be at the same paths in the pods as when they were enqueued: mount them.
            # The password of the queue: kubectl create secret generic \(plan.name) --from-literal=password=…
            apiVersion: batch/v1
            kind: Job
            metadata:
              name: \(Quoting.yaml(plan.name))
              labels:
                app.kubernetes.io/name: zipvl-batch
            spec:
              # A work queue: completions is left out, the first pod that finds no more work ends the Job once
              # all have ended.
              parallelism: \(plan.workers)
              backoffLimit: \(plan.workers * 6)
              podFailurePolicy:
                rules:
                  # Usage, a corrupt database, a wrong configuration: another try would end the same way.
                  - action: FailJob
                    onExitCodes:
                      containerName: worker
                      operator: In
                      values: [2, 76, 78]
                  # Evicted or preempted: does not count.
                  - action: Ignore
                    onPodConditions:
                      - type: DisruptionTarget
              template:
                metadata:
                  labels:
                    app.kubernetes.io/name: zipvl-batch
                spec:
                  restartPolicy: Never
                  terminationGracePeriodSeconds: \(seconds)
                  containers:
                    - name: worker
                      image: \(Quoting.yaml(plan.image))
                      env:
                        - name: ZIPVL_QUEUE
                          value: \(Quoting.yaml(plan.queueText))
                        - name: PGPASSWORD
                          valueFrom:
                            secretKeyRef:
                              name: \(Quoting.yaml(plan.name))
                              key: password
                              optional: true
                      command: ["/bin/sh", "-c"]
                      args:
            \(block(wrapper([plan.executable] + arguments), indent: 14))\(limits)

            """
    }

    /// Runs the worker as a child that gets the pod's SIGTERM: exit codes 3 (jobs failed) and 5 (work
    /// left) are a worker's ordinary ends, and Kubernetes knows only 0 as one.
    static func wrapper(_ words: [String]) -> String {
        """
        \(Quoting.shell(words)) &
        child=$!
        trap 'kill -TERM "$child"' TERM
        wait "$child"
        code=$?
        while kill -0 "$child" 2>/dev/null; do
          wait "$child"
          code=$?
        done
        case "$code" in 3|5) exit 0 ;; esac
        exit "$code"
        """
    }

    /// A list item with lines as they are.
    private static func block(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return ([margin + "- |"] + lines.map { margin + "  " + $0 }).joined(separator: "\n")
    }
}
