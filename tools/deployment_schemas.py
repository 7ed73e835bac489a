"""Schemas for tools/check-deployment.py: where published ones are, and those that had to be written by hand.

By hand means: from the published description of the kind, with the fields that deploy/ uses and no others, so that a
field with a slip in its name is refused. They say what is required and of which form, not all that is possible.
"""

import functools
import importlib
import json
import os
import pathlib

CACHE = pathlib.Path(os.environ.get("PAGODA_CACHE", pathlib.Path.home() / ".cache/pagoda"))

# Groups of custom resources, and the Python module that has their models.
MODULES = {
    "keda.sh": "cloudcoil.models.keda",
    "monitoring.coreos.com": "cloudcoil.models.prometheus_operator",
    "networking.istio.io": "cloudcoil.models.istio.networking",
    "security.istio.io": "cloudcoil.models.istio.security",
}


def has_model(group):
    return group in MODULES


@functools.cache
def model(api_version, kind):
    group, _, version = api_version.rpartition("/")
    return getattr(importlib.import_module(f"{MODULES[group]}.{version}"), kind)


@functools.cache
def compose_schema():
    return json.loads((CACHE / "deployment/compose_spec.json").read_text())


def structure(required, **optional):
    return {
        "type": "object", "required": list(required), "additionalProperties": False,
        "properties": {**required, **optional},
    }


def several(items, **more):
    return {"type": "array", "items": items, "minItems": 1, **more}


NAME = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
HOST = {"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
GROUP = {"type": "string", "pattern": r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"}
KIND = {"type": "string", "pattern": r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", "maxLength": 63}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
LABELS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}, "minProperties": 1}
# Gateway API's own form of a duration.
DURATION = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
METADATA = structure({"name": NAME}, namespace=NAME, labels=LABELS, annotations={"type": "object"})


def custom(api_version, kind, spec):
    return structure(
        {"apiVersion": {"const": api_version}, "kind": {"const": kind}, "metadata": METADATA, "spec": spec})


GATEWAY, INFERENCE = "gateway.networking.k8s.io/v1", "inference.networking.k8s.io/v1"

BY_HAND = {
    (GATEWAY, "Gateway"): custom(GATEWAY, "Gateway", structure({
        "gatewayClassName": NAME,
        "listeners": several(
            structure(
                {"name": NAME, "protocol": {"enum": ["HTTP", "HTTPS", "TLS", "TCP", "UDP"]}, "port": PORT},
                hostname=HOST,
                tls=structure({}, mode={"enum": ["Terminate", "Passthrough"]}, certificateRefs=several(
                    structure({"name": NAME}, kind=KIND, group=GROUP, namespace=NAME), maxItems=64)),
                allowedRoutes=structure(
                    {}, namespaces=structure({}, **{"from": {"enum": ["All", "Selector", "Same"]}}))),
            maxItems=64),
    })),
    (GATEWAY, "HTTPRoute"): custom(GATEWAY, "HTTPRoute", structure({
        "parentRefs": several(structure({"name": NAME}, sectionName=NAME, namespace=NAME), maxItems=32),
        "rules": several(
            structure({"backendRefs": several(
                structure({"name": NAME}, group=GROUP, kind=KIND, port=PORT, weight={"type": "integer"}), maxItems=16)},
                matches=several(structure({}, path=structure({
                    "type": {"enum": ["Exact", "PathPrefix", "RegularExpression"]},
                    "value": {"type": "string", "pattern": "^/", "maxLength": 1024}})), maxItems=64),
                timeouts=structure({}, request=DURATION, backendRequest=DURATION)),
            maxItems=16),
    }, hostnames=several(HOST, maxItems=16))),
    (INFERENCE, "InferencePool"): custom(INFERENCE, "InferencePool", structure({
        "selector": structure({"matchLabels": LABELS}),
        "targetPorts": several(structure({"number": PORT}), maxItems=8),
        "endpointPickerRef": structure(
            {"name": NAME, "port": structure({"number": PORT})}, kind=KIND, group=GROUP,
            failureMode={"enum": ["FailOpen", "FailClose"]}),
    })),
}

ENDPOINT_PICKER = structure({
    "apiVersion": {"const": "inference.networking.x-k8s.io/v1alpha1"},
    "kind": {"const": "EndpointPickerConfig"},
    "plugins": several(structure({
        "type": {"enum": ["queue-scorer", "kv-cache-utilization-scorer", "prefix-cache-scorer", "max-score-picker"]},
    }, name=NAME, parameters={"type": "object"})),
    "schedulingProfiles": several(structure({"name": NAME, "plugins": several(
        structure({"pluginRef": NAME}, weight={"type": "integer", "minimum": 0}))})),
})

ADAPTER_RULES = structure({"rules": several(structure({
    "seriesQuery": {"type": "string", "minLength": 1},
    "resources": structure({"overrides": structure({
        "namespace": structure({"resource": {"const": "namespace"}}),
        "pod": structure({"resource": {"const": "pod"}}),
    })}),
    # No colon: names of this interface are parts of a path.
    "name": structure({"matches": {"type": "string"}, "as": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}}),
    "metricsQuery": {"type": "string", "pattern": r"<<\.Series>>\{<<\.LabelMatchers>>\}"},
}))})
