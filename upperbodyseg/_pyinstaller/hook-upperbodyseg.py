"""Weights and page, the runtimes, and Pillow's readers: nothing of these is seen in the import statements."""

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_dynamic_libs, copy_metadata

datas = collect_data_files("upperbodyseg")
binaries = []
hiddenimports = [f"PIL.{name}ImagePlugin" for name in ("Avif", "Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP")]
for package, module in (("ai-edge-litert", "ai_edge_litert"), ("tflite-runtime", "tflite_runtime")):
    if find_spec(module) is not None:
        hiddenimports.append(f"{module}.interpreter")
        binaries += collect_dynamic_libs(module)
        datas += copy_metadata(package)
if find_spec("pillow_heif") is not None:
    hiddenimports.append("pillow_heif")
