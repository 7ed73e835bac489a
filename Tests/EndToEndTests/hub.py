"""The Hub cache as Python's `huggingface_hub` fills and reads it.

    hub.py download ENDPOINT CACHE REPOSITORY PATTERN...   fills the cache; prints the snapshot's folder
    hub.py find CACHE REPOSITORY FILE...                   reads it without the network; prints what it finds, as JSON
"""

import json
import os
import sys

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache  # noqa: E402


def download(endpoint, cache, repository, *patterns):
    print(snapshot_download(repository, cache_dir=cache, endpoint=endpoint, allow_patterns=list(patterns)))


def find(cache, repository, *files):
    folder = snapshot_download(repository, cache_dir=cache, local_files_only=True)
    found = {}
    for file in files:
        path = hf_hub_download(repository, file, cache_dir=cache, local_files_only=True)
        assert path == try_to_load_from_cache(repository, file, cache_dir=cache), path
        found[file] = os.path.getsize(path)
    scan = scan_cache_dir(cache)
    print(
        json.dumps(
            {
                "folder": folder,
                "files": found,
                "warnings": [str(warning) for warning in scan.warnings],
                "repositories": [repo.repo_id for repo in scan.repos],
                "refs": sorted(ref for repo in scan.repos for ref in repo.refs),
                "bytes": scan.size_on_disk,
            }
        )
    )


{"download": download, "find": find}[sys.argv[1]](*sys.argv[2:])
