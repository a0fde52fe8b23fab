"""A second reader of bundles, sharing no code with Aegis: Python's tarfile, PyJWT, and rego-cpp for the policy.

Usage: second_reader.py BUNDLE PUBLIC_KEY ALGORITHM KEY_ID < inputs.json
Reads a list of input documents and writes, as JSON, what the bundle is and what its policy says of each.
"""

import hashlib
import json
import sys
import tarfile

import jwt
import regopy

bundle, key_file, algorithm, key_id = sys.argv[1:]


def read(path):
    files = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive.getmembers():
            assert member.isfile(), f"{member.name} is no file"
            assert member.name not in files, f"{member.name} is there twice"
            assert not member.name.startswith("/") and ".." not in member.name.split("/"), member.name
            assert (member.uid, member.gid, member.mtime, member.uname, member.gname) == (0, 0, 0, "", ""), member
            files[member.name] = archive.extractfile(member).read()
    return files


def structure(value):
    """OPA's hash of a document: JSON without white space, the keys of objects sorted."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{structure(key)}:{structure(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(structure(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def digest(name, content):
    if name.rsplit("/", 1)[-1] in ("data.json", "data.yaml", ".manifest"):
        content = structure(json.loads(content)).encode()
    return hashlib.sha256(content).hexdigest()


def verify(files):
    (token,) = json.loads(files.pop(".signatures.json"))["signatures"]
    with open(key_file, encoding="utf-8") as file:
        payload = jwt.decode(token, file.read(), algorithms=[algorithm])
    assert jwt.get_unverified_header(token)["kid"] == key_id == payload["keyid"]
    signed = {entry["name"]: entry for entry in payload["files"]}
    assert len(signed) == len(payload["files"]) and signed.keys() == files.keys(), (signed.keys(), files.keys())
    for name, content in files.items():
        assert signed[name]["algorithm"] == "SHA-256"
        assert signed[name]["hash"] == digest(name, content), name


def value_of(interpreter, query):
    """The value of a query; None where it is undefined."""
    answer = str(interpreter.query(query))
    return None if answer == "undefined" else json.loads(answer)["expressions"][0]


files = read(bundle)
verify(files)
manifest = json.loads(files[".manifest"])
assert manifest["rego_version"] == 1

interpreter = regopy.Interpreter()
for name, content in files.items():
    # What OPA loads of a bundle: modules, and data files by their names.
    if name.endswith(".rego"):
        text = content.decode()
        package = next(line for line in text.splitlines() if line.startswith("package ")).split()[1]
        assert package.split(".")[0] in manifest["roots"], package
        interpreter.add_module(name, text)
    elif name.rsplit("/", 1)[-1] in ("data.json", "data.yaml", "data.yml"):
        assert name == "data.json", f"OPA would read {name} as data"
        interpreter.add_data_json(content.decode())

decisions = []
for document in json.load(sys.stdin):
    interpreter.set_input_term(json.dumps(document))
    decisions.append(value_of(interpreter, "data.aegis.policy.decision"))
json.dump({"manifest": manifest, "files": sorted(files), "decisions": decisions}, sys.stdout)
