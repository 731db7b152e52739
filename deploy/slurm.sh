#!/bin/bash
# Trains on several machines: sbatch deploy/slurm.sh APPLICATION [FLAGS], from the repository, which
# lies on a disk that all machines see. One task a GPU; SLURM's variables say which is which.
#SBATCH --job-name=attention-suite
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# A minute before its time is over, or when it has to make room, each task gets SIGTERM: it saves.
#SBATCH --signal=TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append

set -euo pipefail
application=${1:?sbatch deploy/slurm.sh APPLICATION [FLAGS], such as translation --epochs 20}
shift

export KERAS_BACKEND=jax
status=0
# A fixed name, so that the job finds its run again when it is queued once more.
srun --kill-on-bad-exit=1 .venv/bin/python -m "apps.$application.train" \
    --name "slurm-$SLURM_JOB_ID" --device gpu "$@" || status=$?

# 143: asked to end, and saved. 75: another task has gone. Both go on from the last checkpoint.
case $status in 143 | 75) scontrol requeue "$SLURM_JOB_ID" ;; esac
exit $status
