#!/usr/bin/env python3
"""Checks deploy/kubernetes, deploy/ingress/istio and the compose files: `make test-deploy`.

Every overlay is built by kustomize itself; every object is checked against its schema, and the objects of an overlay
against each other: what refers to something finds it, quotas hold what autoscalers may ask for, pods are as restricted
as their namespace demands. tools/deployment-tools.sh installs what this needs.

| objects | schema |
|---|---|
| Kubernetes' own | Kubernetes' OpenAPI description, strict (kubernetes-validate) |
| ServiceMonitor, PrometheusRule, ScaledObject, Istio's | the published CRDs, as models (cloudcoil.models) |
| Gateway, HTTPRoute, InferencePool, EndpointPickerConfig, the adapter's rules | deployment_schemas.py, by hand |
| compose files | the Compose Specification's schema (Debian's docker-compose) |
"""

import ctypes
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

import deployment_schemas

ROOT = pathlib.Path(__file__).resolve().parent.parent
KUBERNETES = ROOT / "deploy/kubernetes"
VERSION = "1.34"
# Made by the operator of the cluster, as docs/deployment-kubernetes.md says.
SECRETS = {"pagoda-keys": {"keys.yaml"}, "pagoda-metrics": {"token"}}
CLUSTER_SCOPED = {"Namespace", "PriorityClass"}

problems = []
checked = {}


def problem(where, text):
    problems.append(f"{where}: {text}")


def label(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


# Schemas


def unknown_fields(given, kept, path=""):
    """Fields that a model did not take over: there is no such field."""
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(kept, dict) or key not in kept:
                yield f"{path}.{key}"
            else:
                yield from unknown_fields(value, kept[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(kept, list):
        for index, value in enumerate(given):
            yield from unknown_fields(value, kept[index] if index < len(kept) else None, f"{path}[{index}]")


def check_by_model(where, thing):
    model = deployment_schemas.model(thing["apiVersion"], thing["kind"])
    try:
        kept = model.model_validate(thing).model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValueError as error:
        return problem(where, error)
    for field in unknown_fields(thing, kept):
        problem(where, f"no field {field}")


def check_schema(where, thing):
    group = thing["apiVersion"].rpartition("/")[0]
    where = f"{where}: {label(thing)}"
    if deployment_schemas.has_model(group):
        kind = "model of the CRD"
        check_by_model(where, thing)
    elif (thing["apiVersion"], thing["kind"]) in deployment_schemas.BY_HAND:
        kind = "by hand"
        validate(where, thing, deployment_schemas.BY_HAND[thing["apiVersion"], thing["kind"]])
    else:
        kind = f"Kubernetes {VERSION}"
        try:
            kubernetes_validate.validate(thing, VERSION, strict=True)
        except Exception as error:  # Of several classes, by version.
            problem(where, error)
    checked.setdefault((thing["apiVersion"], thing["kind"]), [kind, 0])[1] += 1


def validate(where, thing, schema):
    for error in jsonschema.Draft7Validator(schema).iter_errors(thing):
        problem(where, f"{error.json_path}: {error.message}")


# The objects of an overlay beside each other


def quantity(text):
    """A Kubernetes quantity as a number."""
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}[unit]


def selects(selector, labels):
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


class Overlay:
    def __init__(self, name, objects):
        self.name, self.objects = name, objects

    def of(self, kind):
        return [thing for thing in self.objects if thing["kind"] == kind]

    def fault(self, thing, text):
        problem(f"{self.name}: {label(thing)}", text)

    def check(self):
        seen = set()
        for thing in self.objects:
            check_schema(self.name, thing)
            key = (thing["apiVersion"], label(thing))
            if key in seen:
                self.fault(thing, "is there twice")
            seen.add(key)
        namespaces = {t["metadata"].get("namespace") for t in self.objects if t["kind"] not in CLUSTER_SCOPED}
        if len(namespaces) != 1 or None in namespaces:
            problem(self.name, f"objects in the namespaces {namespaces}")
        for deployment in self.of("Deployment"):
            self.check_deployment(deployment)
        self.check_references()
        self.check_capacity()

    def check_deployment(self, deployment):
        pod = deployment["spec"]["template"]
        spec = pod["spec"]
        if not selects(deployment["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]):
            self.fault(deployment, "its selector does not select its pods")
        # Kubernetes' Pod Security Standard `restricted`.
        outer = spec.get("securityContext", {})
        if outer.get("runAsNonRoot") is not True or not outer.get("runAsUser"):
            self.fault(deployment, "may run as root")
        if outer.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            self.fault(deployment, "has no seccomp profile")
        for container in spec["containers"]:
            inner = container.get("securityContext", {})
            if inner.get("allowPrivilegeEscalation") is not False or inner.get("readOnlyRootFilesystem") is not True:
                self.fault(deployment, "may gain privileges, or write to its root")
            if inner.get("capabilities", {}) != {"drop": ["ALL"]}:
                self.fault(deployment, "keeps capabilities")
            if container["resources"]["requests"] != container["resources"]["limits"]:
                self.fault(deployment, "is not of the class Guaranteed")
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            if mounted != {volume["name"] for volume in spec["volumes"]}:
                self.fault(deployment, "mounts are not its volumes")
            for volume in spec["volumes"]:
                if not {"projected", "configMap", "persistentVolumeClaim", "emptyDir"} & set(volume):
                    self.fault(deployment, f"the volume {volume['name']} is of a kind that `restricted` refuses")
        if deployment["metadata"]["name"] == "pagoda":
            self.check_server(deployment, spec)

    def check_server(self, deployment, spec):
        server = spec["containers"][0]
        options = dict(argument.lstrip("-").partition("=")[::2] for argument in server["args"])
        pause = server["lifecycle"]["preStop"]["sleep"]["seconds"]
        # Five seconds are for the last bytes after the engine's end, five are the reserve.
        if spec["terminationGracePeriodSeconds"] < pause + float(options["shutdown-timeout"]) + 10:
            self.fault(deployment, "is killed before it has drained")
        ports = {port["name"]: port["containerPort"] for port in server["ports"]}
        if ports != {"http": int(options["port"])}:
            self.fault(deployment, f"ports {ports} are not --port {options['port']}")
        paths = {kind: server.get(kind, {}).get("httpGet", {}) for kind in (
            "startupProbe", "livenessProbe", "readinessProbe")}
        if {kind: (probe.get("path"), probe.get("port")) for kind, probe in paths.items()} != {
                "startupProbe": ("/health", "http"), "livenessProbe": ("/live", "http"),
                "readinessProbe": ("/health", "http")}:
            self.fault(deployment, f"probes {paths}")
        if deployment["spec"].get("replicas") is not None:
            self.fault(deployment, "has `replicas` beside an autoscaler")

    def check_references(self):
        pods = {d["metadata"]["name"]: d["spec"]["template"] for d in self.of("Deployment")}
        names = {kind: {t["metadata"]["name"] for t in self.of(kind)} for kind in (
            "ConfigMap", "ServiceAccount", "PersistentVolumeClaim", "PriorityClass", "Service", "Gateway",
            "InferencePool", "Role")}

        def selected(selector):
            return [name for name, pod in pods.items() if selects(selector, pod["metadata"]["labels"])]

        for deployment in self.of("Deployment"):
            spec = deployment["spec"]["template"]["spec"]
            found = [(spec["serviceAccountName"], "ServiceAccount")]
            if "priorityClassName" in spec:
                found.append((spec["priorityClassName"], "PriorityClass"))
            for volume in spec["volumes"]:
                if "configMap" in volume:
                    found.append((volume["configMap"]["name"], "ConfigMap"))
                if "persistentVolumeClaim" in volume:
                    found.append((volume["persistentVolumeClaim"]["claimName"], "PersistentVolumeClaim"))
                for source in volume.get("projected", {}).get("sources", []):
                    keys = {item["key"] for item in source["secret"]["items"]}
                    if not keys <= SECRETS.get(source["secret"]["name"], set()):
                        self.fault(deployment, f"takes {keys} of the Secret {source['secret']['name']}")
            for name, kind in found:
                if name not in names[kind]:
                    self.fault(deployment, f"there is no {kind} {name}")
        for service in self.of("Service"):
            for name in selected(service["spec"]["selector"]) or [None]:
                ports = {p["name"] for p in pods[name]["spec"]["containers"][0]["ports"]} if name else set()
                if not {port["targetPort"] for port in service["spec"]["ports"]} <= ports:
                    self.fault(service, f"selects {name}, which has the ports {ports}")
        for kind in ("PodDisruptionBudget", "NetworkPolicy", "InferencePool"):
            for thing in self.of(kind):
                selector = thing["spec"].get("podSelector") or thing["spec"].get("selector")
                if len(selected(selector["matchLabels"])) != 1:
                    self.fault(thing, "does not select one Deployment's pods")
        for monitor in self.of("ServiceMonitor"):
            services = [s for s in self.of("Service") if selects(
                monitor["spec"]["selector"]["matchLabels"], s["metadata"].get("labels", {}))]
            if [s["metadata"]["name"] for s in services] != ["pagoda"]:
                self.fault(monitor, f"selects {[label(s) for s in services]}")
            # The alerts ask for job="pagoda".
            if services and services[0]["metadata"]["labels"].get(monitor["spec"]["jobLabel"]) != "pagoda":
                self.fault(monitor, "gives the job another name")
            for endpoint in monitor["spec"]["endpoints"]:
                credentials = endpoint["authorization"]["credentials"]
                if credentials["key"] not in SECRETS.get(credentials["name"], set()):
                    self.fault(monitor, f"takes its token from {credentials}")
        for pool in self.of("InferencePool"):
            if pool["spec"]["endpointPickerRef"]["name"] not in names["Service"]:
                self.fault(pool, "has no picker")
        for route in self.of("HTTPRoute"):
            for reference in route["spec"]["parentRefs"]:
                if reference["name"] not in names["Gateway"]:
                    self.fault(route, "has no gateway")
            for rule in route["spec"]["rules"]:
                for backend in rule["backendRefs"]:
                    if backend["name"] not in names[backend.get("kind", "Service")]:
                        self.fault(route, f"leads to {backend}")
        for binding in self.of("RoleBinding"):
            if binding["roleRef"]["name"] not in names["Role"] or any(
                    s["name"] not in names["ServiceAccount"] for s in binding["subjects"]):
                self.fault(binding, "binds what is not there")

    def check_capacity(self):
        """What autoscalers may ask for fits the quota, and every container the limits."""
        maxima = {}
        for hpa in self.of("HorizontalPodAutoscaler"):
            maxima.setdefault(hpa["spec"]["scaleTargetRef"]["name"], []).append(hpa["spec"]["maxReplicas"])
        for scaled in self.of("ScaledObject"):
            maxima.setdefault(scaled["spec"]["scaleTargetRef"]["name"], []).append(scaled["spec"]["maxReplicaCount"])
        if len(maxima.get("pagoda", [])) != 1:
            problem(self.name, f"{len(maxima.get('pagoda', []))} autoscalers pull at one Deployment")
            return
        needed = {"pods": 0}
        for deployment in self.of("Deployment"):
            name = deployment["metadata"]["name"]
            count = maxima[name][0] if name in maxima else deployment["spec"]["replicas"]
            # A rolling update has one more.
            count += 1
            needed["pods"] += count
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                for kind in ("requests", "limits"):
                    for resource, amount in container["resources"][kind].items():
                        key = f"{kind}.{resource}"
                        needed[key] = needed.get(key, 0) + count * quantity(amount)
                for limits in self.of("LimitRange"):
                    for item in limits["spec"]["limits"]:
                        for resource, most in item.get("max", {}).items():
                            amount = container["resources"]["limits"].get(resource)
                            if item["type"] == "Container" and amount and quantity(amount) > quantity(most):
                                self.fault(deployment, f"{resource} {amount} is over the limit {most}")
        for quota in self.of("ResourceQuota"):
            hard = quota["spec"]["hard"]
            for resource, amount in needed.items():
                if quantity(hard[resource]) < amount:
                    self.fault(quota, f"{resource} {hard[resource]}, but {amount:g} may be asked for")
            claims = len(self.of("PersistentVolumeClaim"))
            if quantity(hard["persistentvolumeclaims"]) < claims:
                self.fault(quota, "refuses the volume")


# Compose


def check_compose(path):
    where = path.relative_to(ROOT)
    compose = yaml.safe_load(path.read_text())
    validate(where, compose, deployment_schemas.compose_schema())
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (path.parent / source).exists():
                    problem(where, f"{name} mounts {source}, which is not there")
            elif not source.startswith("$") and source not in compose["volumes"]:
                problem(where, f"{name} mounts the volume {source}, which is not declared")
        for secret in service.get("secrets", []):
            if secret not in compose["secrets"]:
                problem(where, f"{name} takes the secret {secret}, which is not declared")
    return len(compose["services"])


# All of it


class Kustomize:
    """kustomize's own code, as a library."""

    def __init__(self):
        self.library = ctypes.CDLL(str(deployment_schemas.CACHE / "deployment/libpykustomize.so"))
        self.library.pykustomize_last_error.restype = ctypes.c_char_p

    def build(self, folder):
        text = ctypes.c_char_p()
        if self.library.pykustomize_build(str(folder).encode(), b"{}", ctypes.byref(text)) != 0:
            raise SystemExit(f"{folder}: {self.library.pykustomize_last_error().decode()}")
        return [thing for thing in yaml.safe_load_all(text.value) if thing]


def main():
    kustomize = Kustomize()
    adapter_names, asked_names = set(), []
    for folder in sorted((KUBERNETES / "overlays").iterdir()):
        objects = kustomize.build(folder)
        if folder.name == "prometheus-adapter":
            for thing in objects:
                check_schema(folder.name, thing)
                rules = yaml.safe_load(thing["data"]["config.yaml"])
                validate(f"{folder.name}: config.yaml", rules, deployment_schemas.ADAPTER_RULES)
                adapter_names |= {rule["name"]["as"] for rule in rules["rules"]}
        else:
            Overlay(folder.name, objects).check()
            for thing in objects:
                if thing["kind"] == "ConfigMap" and "picker.yaml" in thing["data"]:
                    validate(
                        f"{folder.name}: picker.yaml", yaml.safe_load(thing["data"]["picker.yaml"]),
                        deployment_schemas.ENDPOINT_PICKER)
                if thing["kind"] == "HorizontalPodAutoscaler":
                    asked = {metric["pods"]["metric"]["name"] for metric in thing["spec"]["metrics"]}
                    asked_names.append((folder.name, asked))
        print(f"{folder.relative_to(ROOT)}: {len(objects)} objects")
    for name, asked in asked_names:
        if not asked <= adapter_names:
            problem(name, f"{asked - adapter_names} is no name of the adapter's rules")
    istio = kustomize.build(ROOT / "deploy/ingress/istio")
    for thing in istio:
        check_schema("istio", thing)
    print(f"deploy/ingress/istio: {len(istio)} objects")
    # The rules as the Prometheus operator takes them: docs/deployment-kubernetes.md shows the command.
    for rules in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml")):
        check_schema(rules.name, {
            "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": rules.stem},
            "spec": yaml.safe_load(rules.read_text())})
    for compose in sorted((ROOT / "deploy").rglob("docker-compose*.yml")):
        print(f"{compose.relative_to(ROOT)}: {check_compose(compose)} services")
    for (version, kind), (schema, count) in sorted(checked.items()):
        print(f"  {count:3} {version} {kind}: {schema}")
    for text in problems:
        print(f"PROBLEM {text}")
    print(f"{sum(count for _, count in checked.values())} objects checked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
