"""What the GPU that is trained on can compute in a second, by its data sheet."""

import re

import keras

# Dense matrix products, in 10^12 operations a second: in bfloat16 or float16 with sums in float32,
# and in float32, which is TF32 from Ampere on. A name has all these words; the first row counts.
# Data sheets: nvidia.com/en-us/data-center/{h200,h100,a100,a40,l40s,l4,v100,tesla-t4}, each with
# the figures for sparse matrices halved; of GeForce and RTX cards, the appendices of NVIDIA's white
# papers on the Blackwell, Ada and Ampere architectures.
PEAKS = (
    ("B200", 2250.0, 1125.0),
    ("GH200", 989.4, 494.7),
    ("H200 NVL", 835.5, 417.5),
    ("H200", 989.4, 494.7),
    ("H100 NVL", 835.5, 417.5),
    ("H100 PCIe", 756.0, 378.0),
    ("H100", 989.4, 494.7),
    ("A100", 312.0, 156.0),
    ("A40", 149.7, 74.8),
    ("A30", 165.0, 82.0),
    ("A10", 125.0, 62.5),
    ("L40S", 362.0, 183.0),
    ("L40", 181.0, 90.5),
    ("L4", 121.0, 60.0),
    ("V100 PCIE", 112.0, 14.0),
    ("V100", 125.0, 15.7),
    ("T4", 65.0, 8.1),
    ("RTX 6000 Ada", 364.2, 182.1),
    ("RTX A6000", 154.8, 77.4),
    ("RTX 5090", 209.5, 104.8),
    ("RTX 4090", 165.2, 82.6),
    ("RTX 4080", 97.5, 48.7),
    ("RTX 3090", 71.0, 35.6),
)
# What has the name of a card, and not its peak.
OTHERS = {"MIG", "LAPTOP", "MAX", "D", "SUPER", "TI"}
NO_BFLOAT16 = {"V100", "T4"}


def peak_of(name: str, precision: str) -> float | None:
    """Returns the operations a second of a device, or `None` if they are not known.

    Args:
        name: As its driver calls it.
        precision: "float32", "bfloat16" or "float16".
    """
    words = set(re.findall(r"[A-Z0-9]+", name.upper()))
    if words & OTHERS or (precision == "bfloat16" and words & NO_BFLOAT16):
        return None
    for row, half, single in PEAKS:
        if set(row.upper().split()) <= words:
            return (single if precision == "float32" else half) * 1e12
    return None


def device_name() -> str | None:
    """Returns the name of the GPU that the backend computes on; `None` on a CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.get_visible_devices("GPU")
        return (
            tf.config.experimental.get_device_details(found[0]).get("device_name")
            if found
            else None
        )
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return device.device_kind if device.platform == "gpu" else None
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def device_count() -> int:
    """Returns how many devices, of all machines, a batch is spread over."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    if keras.backend.backend() == "jax" and keras.distribution.distribution() is not None:
        import jax

        return jax.device_count()
    return 1
