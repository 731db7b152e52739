"""Ships the folder `layers` as the package `attention_layers`; all else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    package_dir={"attention_layers": "layers"},
    packages=["attention_layers"]
    + [f"attention_layers.{name}" for name in find_packages("layers")],
    package_data={"attention_layers": ["py.typed"]},
    include_package_data=False,
)
