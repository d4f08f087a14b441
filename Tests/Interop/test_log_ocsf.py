"""Exported OCSF events are valid by the published schema of the version they name."""

import json

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from log_fixtures import LogVault

CLASSES = {3001: "account_change", 3002: "authentication", 6003: "api_activity"}


def test_every_event_is_valid(log: LogVault) -> None:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.3.0"))
    validators = {
        uid: jsonschema.Draft202012Validator(schema.get_class_schema(name)) for uid, name in CLASSES.items()
    }
    events = [json.loads(line) for line in log.run("audit", "export", "--format", "ocsf").splitlines()]
    assert len(events) > 500
    for number, event in enumerate(events):
        validators[event["class_uid"]].validate(event)
        assert event["metadata"]["version"] == "1.3.0" and event["metadata"]["sequence"] == number
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert {3001, 6003} <= {event["class_uid"] for event in events}
    assert len({event["metadata"]["uid"] for event in events}) == len(events)
