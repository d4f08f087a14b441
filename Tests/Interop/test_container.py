"""What docs/containers.md says of images, compose files and pods, done as an engine would do it."""

import base64
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from apache import free_port
from container import Container
from served import ROOT, SECONDS

PAGE = (ROOT / "docs/containers.md").read_text()
DOCKERFILE = re.search(r"```dockerfile\n(.*?)```", PAGE, re.DOTALL)[1].replace("\\\n", "")
COMPOSE, KUBERNETES = ([*yaml.safe_load_all(block)] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
POD = next(entry for entry in KUBERNETES if entry["kind"] == "StatefulSet")["spec"]
SPECIFICATION = POD["template"]["spec"]
IMAGE = dict(pair.split("=", 1) for pair in re.search(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)[1].split())
USER, GROUP = map(int, re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE).groups())
REDIRECT = "https://app.example/cb"
VERIFIER = "a-verifier-of-forty-three-characters-at-least"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="making namespaces and mounting is for root")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the page makes it."""
    folder = tmp_path_factory.mktemp("key")
    block = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)[1]
    subprocess.run(["bash", "-e", "-c", block], cwd=folder, check=True, timeout=SECONDS)
    return folder / "vault.key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that the user of a container may go through."""
    for place in [tmp_path, *list(tmp_path.parents)[:2]]:
        place.chmod(place.stat().st_mode | 0o011)
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


def pod(folder: Path, key: Path, container: dict[str, Any], port: int, memlock: int) -> Container:
    """A container of the pod, with a volume and a secret as the kubelet hands them over."""
    context, identity = container["securityContext"], SPECIFICATION["securityContext"]
    assert context == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    volume, secret = folder / "volume", folder / "secret"
    if not volume.exists():
        volume.mkdir()
        os.chown(volume, 0, identity["fsGroup"])
        volume.chmod(0o2775)
        (secret / "..1").mkdir(parents=True)
        (secret / "..data").symlink_to("..1")
        (secret / key.name).symlink_to(f"..data/{key.name}")
        copy = secret / "..1" / key.name
        copy.write_bytes(key.read_bytes())
        os.chown(copy, 0, identity["fsGroup"])
        copy.chmod(next(entry["secret"]["defaultMode"] for entry in SPECIFICATION["volumes"] if entry["name"] == "key"))
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    environment = IMAGE | {entry["name"]: entry["value"] for entry in container["env"]}
    environment["TOKENVAULT_LISTEN"] = IMAGE["TOKENVAULT_LISTEN"].replace("0.0.0.0:8080", f"127.0.0.1:{port}")
    return Container(
        folder, identity["runAsUser"], identity["runAsGroup"],
        [(volume, places["vault"], "rw"), (secret, places["key"], "ro")], environment, memlock)


def wait_until_healthy(container: Container, url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        assert container.process and container.process.poll() is None, container.log.read_text()
        assert time.monotonic() < deadline, container.log.read_text()
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)


@pytest.fixture
def started() -> Iterator[list[Container]]:
    """Those that a failed test left behind are ended."""
    containers: list[Container] = []
    yield containers
    for container in containers:
        if container.process and container.process.poll() is None:
            container.process.kill()
            container.process.wait(SECONDS)


def end(container: Container) -> None:
    code, seconds = container.stop()
    assert code == 0, container.log.read_text()
    assert seconds < 5


def test_a_pod_lives_and_ends(folder: Path, key: Path, port: int, started: list[Container]) -> None:
    (maker,), (server,) = SPECIFICATION["initContainers"], SPECIFICATION["containers"]
    assert POD["replicas"] == 1
    for _ in range(2):
        made = pod(folder, key, maker, port, 0).run(*maker["command"])
        assert made.returncode == 0, made.stderr
    data = folder / "volume/data"
    assert data.stat().st_mode & 0o777 == 0o700 and (data / "vault").stat().st_mode & 0o777 == 0o600

    container = pod(folder, key, server, port, 0)
    started.append(container)
    container.start("tokenvault", *server["args"])
    url = f"http://127.0.0.1:{port}"
    wait_until_healthy(container, url + server["readinessProbe"]["httpGet"]["path"])
    assert requests.get(url + server["livenessProbe"]["httpGet"]["path"], timeout=5).status_code == 200
    # It is a container, then: PID 1, without capabilities, and nothing of its root can be written.
    assert container.status("NSpid")[-1] == "1" and container.status("CapEff") == ["0" * 16]
    assert container.status("Uid")[0] == str(USER) and container.status("NoNewPrivs") == ["1"]
    assert "Read-only" in container.execute("touch", "/etc/written", "/tmp/written", "/run/written").stderr

    command = json.loads(re.search(r"^HEALTHCHECK .* CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    container.must(*(word.replace("8080", str(port)) for word in command))
    assert container.execute(*(word.replace("8080", "1") for word in command)).returncode != 0

    container.must("tokenvault", "user", "add", "alice")
    container.must("tokenvault", "client", "add", "app", "--client-id", "app", "--public", "--redirect-uri", REDIRECT,
                   "--scope", "basic")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    code = container.must(
        "tokenvault", "grant", "authorize", "--client", "app", "--user", "alice", f"--code-challenge={challenge}").strip()
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": REDIRECT}
    tokens = requests.post(url + "/oauth2/token", {"client_id": "app"} | form, timeout=10).json()
    refresh = {"client_id": "app", "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert requests.post(url + "/oauth2/token", refresh, timeout=10).json()["access_token"] != tokens["access_token"]

    checks = {check["check"]: check for check in map(json.loads, container.execute(
        "tokenvault", "doctor", "--json").stdout.splitlines())}
    assert not [check for check in checks.values() if check["severity"] == "error"], checks
    assert checks["files.key"]["severity"] == checks["files.directory"]["severity"] == "ok", checks
    assert checks["memory.locked"]["severity"] == "advice"
    end(container)
    assert container.log.read_text().count("written to swap") == 1

    # Again, where some memory may be locked; and the tokens are still there.
    container = pod(folder, key, server, port, 8 << 20)
    started.append(container)
    container.start("tokenvault", *server["args"])
    wait_until_healthy(container, url + "/health/ready")
    assert requests.post(url + "/oauth2/token", refresh, timeout=10).status_code == 200
    assert int(container.status("VmLck")[0]) > 0
    end(container)
    assert "written to swap" not in container.log.read_text()

    # What a volume opened to the group does, and what mends it.
    subprocess.run(["chmod", "-R", "g+rwX", data], check=True)
    refused = container.run("tokenvault", "user", "list", "--json")
    assert refused.returncode == 4 and "permission_denied" in refused.stderr
    subprocess.run(["chmod", "-R", "go=", data], check=True)
    assert "alice" in container.run("tokenvault", "user", "list", "--json").stdout


def test_a_compose_service_lives_and_ends(folder: Path, key: Path, port: int, started: list[Container]) -> None:
    service = COMPOSE[0]["services"]["tokenvault"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    # A new volume is a copy of the image's directories.
    place = service["volumes"][0].split(":")[1]
    directories = re.search(r"^RUN install -d -o \d+ -g \d+ -m 700 (.+)$", DOCKERFILE, re.MULTILINE)[1].split()
    for directory in directories:
        local = folder / "volume" / Path(directory).relative_to(place)
        local.mkdir(mode=0o700)
        os.chown(local, USER, GROUP)
    secret = f"/run/secrets/{service['secrets'][0]['target']}"
    assert COMPOSE[0]["secrets"]["vault-key"]["file"] == f"./{key.name}"
    environment = IMAGE | service["environment"] | {"TOKENVAULT_LISTEN": f"127.0.0.1:{port}"}
    container = Container(
        folder, USER, GROUP, [(folder / "volume", place, "rw"), (key, secret, "ro")], environment,
        service["ulimits"]["memlock"])
    started.append(container)
    made = container.run("tokenvault", "init")
    assert made.returncode == 0, made.stderr
    for command in (["tokenvault", "serve"], ["sh", "-c", re.search(r"`(exec tokenvault serve [^`]*)`", PAGE)[1]]):
        if command[0] == "sh":
            # Mounted in another way.
            key.chmod(0o444)
            refused = container.run("tokenvault", "user", "list", "--json")
            assert refused.returncode == 4 and "chmod 440" in refused.stderr, refused.stderr
            container.environment.append("TOKENVAULT_KEY_FILE=")
        container.start(*command)
        wait_until_healthy(container, f"http://127.0.0.1:{port}/health/ready")
        assert container.status("NSpid")[-1] == "1" and int(container.status("VmLck")[0]) > 0
        end(container)


def test_the_image_has_the_libraries_that_operations_names() -> None:
    named = re.search(r"\(Debian:\s+`(.+?)`\)", (ROOT / "docs/operations.md").read_text(), re.DOTALL)[1].split()
    assert len(named) == 2 and set(named) <= set(re.search(r"^RUN (.*)$", DOCKERFILE, re.MULTILINE)[1].split())
