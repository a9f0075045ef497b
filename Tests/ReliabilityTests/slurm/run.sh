#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, from unpacked Debian packages: the batch script that `zipvl-batch launch
# slurm` prints runs as an array, is cancelled, and is signalled before its time is up. Needs root, apt-get, and a build
# (`swift build --build-tests`). Not part of CI: it takes two minutes, as Slurm counts time limits in minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)
bin=${BIN:-$project/.build/debug}
root=$(mktemp -d "${TMPDIR:-/tmp}/zipvl-slurm.XXXXXX")
declare -a daemons=()
finish() {
    for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    # What ran in the allocation carries this folder in its environment.
    for pid in $(grep -lsa "$root" /proc/[0-9]*/environ | cut -d/ -f3); do
        [ "$pid" = $$ ] || kill -9 "$pid" 2>/dev/null || true
    done
    [ "${KEEP:-}" ] || rm -rf "$root"
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; tail -n 5 "$root"/log/*.log >&2 || true; exit 1; }

packages='slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge libmunge2 libhwloc15 liblua5.1-0'
mkdir -p "$root"/{debs,tree,munge,state,spool,log,out}
(cd "$root/debs" && apt-get download -qq $packages 2>/dev/null) || { echo 'skipped: the packages cannot be fetched'; exit 0; }
for file in "$root"/debs/*.deb; do dpkg -x "$file" "$root/tree"; done
libraries=$root/tree/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries:$libraries/slurm-wlm SLURM_CONF=$root/slurm.conf
export PATH=$root/tree/usr/bin:$root/tree/usr/sbin:$PATH

node=$(hostname -s)
cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$root/munge/socket
CredType=cred/munge
PluginDir=$libraries/slurm-wlm
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd.pid
SlurmctldLogFile=$root/log/slurmctld.log
SlurmdLogFile=$root/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerType=sched/backfill
KillWait=5
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
dd if=/dev/urandom of="$root/munge/key" bs=1024 count=1 status=none
chmod 700 "$root/munge" && chmod 600 "$root/munge/key"
chmod 755 "$root"
munged --foreground --force --key-file="$root/munge/key" --socket="$root/munge/socket" \
    --pid-file="$root/munge/pid" --log-file="$root/log/munged.log" --seed-file="$root/munge/seed" &
daemons+=($!)
until [ -S "$root/munge/socket" ]; do sleep 0.1; done
slurmctld-wlm -D -f "$SLURM_CONF" 2>>"$root/log/slurmctld.err" &
daemons+=($!)
slurmd-wlm -D -f "$SLURM_CONF" -d "$(command -v slurmstepd-wlm)" 2>>"$root/log/slurmd.err" &
daemons+=($!)
for _ in $(seq 300); do
    [ "$(sinfo -h -o %t 2>/dev/null)" = idle ] && break
    sleep 0.1
done
[ "$(sinfo -h -o %t)" = idle ] || fail 'the node is not idle'
echo "Slurm $(sinfo --version | cut -d' ' -f2) on $node"

# What the printed script calls as zipvl-batch: the real runner on an engine that computes nothing.
cat >"$root/worker" <<WORKER
#!/bin/bash
exec "$bin/storm-worker" "\$ZIPVL_QUEUE" "$root/out/\$SLURM_JOB_ID.acks" "\${STORM_MS:-100}" \
    --events "$root/out/\$SLURM_JOB_ID.events" --grace 3 --group 2 --journal queue
WORKER
chmod +x "$root/worker"
queue=$root/queue.db
sql() { sqlite3 -readonly "$queue" "$1"; }
# One worker on a file, so that the back end does not mind; the array is this script with another line.
"$bin/zipvl-batch" --queue "$queue" launch slurm --workers 1 --gpus-per-worker 0 --time 1m --executable "$root/worker" \
    >"$root/one.sbatch"
sed -i "s|^#SBATCH --output=.*|#SBATCH --output=$root/log/%A_%a.out|" "$root/one.sbatch"
grep -q '^#SBATCH --signal=B:TERM@' "$root/one.sbatch" || fail 'the script asks for no signal'
sed 's|^#SBATCH --nodes=1|#SBATCH --array=0-2\n&|' "$root/one.sbatch" >"$root/array.sbatch"

fill() { "$bin/storm-worker" fill "$queue" "$1" "$2"; }
idle() { for _ in $(seq 1200); do [ -z "$(squeue -h 2>/dev/null)" ] && return; sleep 0.1; done; fail "still there: $(squeue -h)"; }
whole() {
    [ "$(sql "SELECT count(*) FROM jobs WHERE state = 'running'")" = 0 ] || fail "$1: jobs are left running"
    [ "$(sql "SELECT count(*) FROM attempts WHERE outcome IS NULL")" = 0 ] || fail "$1: attempts are left open"
    [ "$(sql "SELECT count(*) FROM jobs WHERE state = 'queued' AND attempts_made > 0")" = 0 ] ||
        fail "$1: an interruption was counted as an attempt"
    [ -z "$(pgrep -f "storm-worker $queue" || true)" ] || fail "$1: a process is left"
}

echo '1. an array of three drains the queue'
fill first 60
sbatch --parsable "$root/array.sbatch" >/dev/null
idle
whole array
[ "$(sql 'SELECT count(*) FROM answers')" = 60 ] || fail 'array: not every job was answered'
[ "$(sql "SELECT count(DISTINCT slurm_job_id) FROM workers")" = 3 ] || fail 'array: expected three tasks'

echo '2. scancel'
fill second 400
export STORM_MS=500
job=$(sbatch --parsable "$root/one.sbatch")
until [ -s "$root/out/$job.events" ]; do sleep 0.1; done
sleep 1
scancel --batch --signal=TERM "$job"
idle
whole scancel
answered=$(sql 'SELECT count(*) FROM answers')
[ "$answered" -gt 60 ] && [ "$answered" -lt 460 ] || fail "scancel: $answered answers"

echo '3. the signal before the time is up'
# Slurm sends it up to a minute early, and counts limits in whole minutes.
sed 's|--signal=B:TERM@[0-9]*|--signal=B:TERM@50|' "$root/one.sbatch" >"$root/short.sbatch"
job=$(sbatch --parsable "$root/short.sbatch")
until [ -s "$root/out/$job.events" ]; do sleep 0.1; done
idle
whole signal
after=$(sql 'SELECT count(*) FROM answers')
[ "$after" -gt "$answered" ] && [ "$after" -lt 460 ] || fail "signal: $after answers after $answered"

echo '4. a task that is killed outright: the next one takes its jobs back'
job=$(sbatch --parsable "$root/one.sbatch")
until [ "$(tail -n 1 "$root/out/$job.events" 2>/dev/null | cut -d' ' -f1)" = begun ]; do sleep 0.05; done
scancel --signal=KILL --full "$job" || scancel "$job"
idle
STORM_MS=0 sbatch --parsable "$root/array.sbatch" >/dev/null
idle
whole kill
[ "$(sql 'SELECT count(*) FROM answers')" = 460 ] || fail 'kill: not every job was answered'
[ "$(sql 'PRAGMA integrity_check')" = ok ] || fail 'integrity'
echo "passed: $(sql 'SELECT count(*) FROM answers') answers, $(sql 'SELECT count(*) FROM attempts') attempts, $(
    sql "SELECT count(*) FROM attempts WHERE outcome = 'interrupted'") given back, $(
    sql "SELECT count(*) FROM attempts WHERE outcome = 'crashed'") crashed"
