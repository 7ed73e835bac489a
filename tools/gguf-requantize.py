"""Writes the weights of a GGUF file in another format, to compare formats on the same weights (docs/accuracy.md).

    python tools/gguf-requantize.py SOURCE.gguf TYPE OUTPUT.gguf

TYPE is Q8_0, Q5_1, Q5_0, Q4_1, Q4_0, BF16 or F16. Matrices are dequantised and rounded to nearest by the gguf package; vectors
and all metadata are copied.
"""
import sys
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

source, kind, target = sys.argv[1:4]
reader, kind = GGUFReader(source), GGMLQuantizationType[kind]
fields = dict(reader.fields)
writer = GGUFWriter(target, str(fields["general.architecture"].contents()))
for name, field in fields.items():
    if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
        continue
    writer.add_key_value(name, field.contents(), field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
for tensor in reader.tensors:
    values = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    if values.ndim == 2:
        data = quants.quantize(values, kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    else:
        writer.add_tensor(tensor.name, values)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
print(target, len(reader.tensors), "tensors")
