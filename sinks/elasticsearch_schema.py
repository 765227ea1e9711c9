"""What Elasticsearch has to know of the rows: fields, alias, how long they live."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from elasticsearch import ApiError, AsyncElasticsearch

VERSION: Final = 1
"""Of the index template. A change raises it, and only adds: workers of the version before go on."""
ILM_POLICY_FILE: Final = Path(__file__).parent.parent / "deploy" / "elasticsearch" / "ilm-policy.json"

_KEYWORD: Final = {"type": "keyword"}
FIELDS: Final[Mapping[str, Any]] = {
    "row_token": _KEYWORD,
    "place": _KEYWORD,
    "time_from": {"type": "date"},
    "time_to": {"type": "date"},
    "amount_from": {"type": "double"},
    "amount_to": {"type": "double"},
    "amount_mid": {"type": "double"},
    "merchant_category": _KEYWORD,
    "device_type": _KEYWORD,
    "merchant": _KEYWORD,
    "verdict": _KEYWORD,
    "usual_place": {"type": "boolean"},
    "group_size": {"type": "integer"},
    "information_loss": {"type": "double"},
    "schema_version": {"type": "integer"},
}
_MAPPINGS: Final = {"dynamic": "strict", "properties": FIELDS}
_NO_SUCH_FEATURE: Final = (400, 405)


async def migrate(client: AsyncElasticsearch, index: str) -> list[str]:
    """Put lifecycle policy, index template and mappings where they are missing; return what was done."""
    has_lifecycles, done = await _put_lifecycle(client, index)
    template = {
        "settings": _settings(index, has_lifecycles=has_lifecycles),
        "mappings": _MAPPINGS,
        "aliases": {index: {}},
    }
    if await version_of(client, index) >= VERSION:
        return done
    await client.indices.put_index_template(
        name=index, index_patterns=[f"{index}-*"], version=VERSION, template=template
    )
    done.append(f"index template {index}, version {VERSION}")
    if not has_lifecycles:
        done.append("no lifecycle policy: this server knows none, old indices are deleted by hand")
    there = await client.indices.get(index=f"{index}-*", allow_no_indices=True)
    if there:  # a template is read only when an index is made
        await client.indices.put_mapping(index=f"{index}-*", properties=FIELDS)
        done.append(f"mappings of {len(there.body)} indices")
    return done


async def version_of(client: AsyncElasticsearch, index: str) -> int:
    """Version of the index template; 0: there is none."""
    try:
        found = await client.indices.get_index_template(name=index)
    except ApiError as error:
        if error.status_code == 404:
            return 0
        raise
    return int(found["index_templates"][0]["index_template"].get("version", 0))


def _settings(index: str, *, has_lifecycles: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
    if has_lifecycles:
        # The age counts from the month in the index's name, not from when the first row came.
        settings["lifecycle"] = {"name": index, "parse_origination_date": True}
    return settings


async def _put_lifecycle(client: AsyncElasticsearch, index: str) -> tuple[bool, list[str]]:
    """Whether the server has lifecycles, a part of Elastic's own distributions; and what was done.

    A policy that is there is left as it is: who wants another edits it.
    """
    try:
        await client.ilm.get_lifecycle(name=index)
    except ApiError as error:
        if error.status_code not in {404, *_NO_SUCH_FEATURE}:
            raise
    else:
        return True, []
    policy = msgspec.json.decode(ILM_POLICY_FILE.read_bytes())["policy"]
    try:
        await client.ilm.put_lifecycle(name=index, policy=policy)
    except ApiError as error:
        if error.status_code not in _NO_SUCH_FEATURE:
            raise
        return False, []
    return True, [f"lifecycle policy {index}, as in deploy/elasticsearch/{ILM_POLICY_FILE.name}"]
