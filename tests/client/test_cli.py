import importlib.metadata
import socket
from collections.abc import Callable
from subprocess import Popen

import pytest

Start = Callable[..., Popen[str]]


def result_of(process: Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def greet_once(start: Start, collector: socket.socket, *options: str, **variables: str) -> str:
    greeter = start("greet", "--to=lines", "--count", "1", *options, **variables)
    connection, _ = collector.accept()
    with connection, connection.makefile() as lines:
        line = lines.readline()
    assert greeter.wait(30) == 0
    return line


def port_of(collector: socket.socket) -> str:
    return str(collector.getsockname()[1])


@pytest.mark.parametrize("command", [("greet",), ("greet", "--to=lines"), ("pipe",)])
def test_without_an_address_one_line_says_what_to_add_to_the_pod(
    start: Start, command: tuple[str, ...]
) -> None:
    code, out, err = result_of(start(*command))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}" in err


def test_the_defaults_are_the_address_in_host_ip_and_the_name_in_hostname(
    start: Start, collector: socket.socket
) -> None:
    line = greet_once(start, collector, "--port", port_of(collector), HOST_IP="127.0.0.1", HOSTNAME="pod-7")
    assert line.endswith(" - Greetings from pod-7\n")


def test_without_hostname_the_name_is_the_host_name(start: Start, collector: socket.socket) -> None:
    line = greet_once(start, collector, "--port", port_of(collector), HOST_IP="127.0.0.1")
    assert line.endswith(f" - Greetings from {socket.gethostname()}\n")


def test_every_option_can_be_set_by_a_variable(start: Start, collector: socket.socket) -> None:
    variables = {"HOST": "127.0.0.1", "PORT": port_of(collector), "NAME": "x", "EVERY": "1ms", "COUNT": "3"}
    variables["TO"] = "lines"
    greeter = start(
        "greet", HOST_IP="192.0.2.1", **{f"NODELOG_{key}": text for key, text in variables.items()}
    )
    connection, _ = collector.accept()
    with connection, connection.makefile() as lines:
        assert [line.split(" - ")[1] for line in lines] == ["Greetings from x\n"] * 3
    assert greeter.wait(30) == 0


KUBERNETES = {  # what it sets in each pod of a namespace with a Service `nodelog`
    "NODELOG_SERVICE_HOST": "10.0.0.1",
    "NODELOG_SERVICE_PORT": "6666",
    "NODELOG_SERVICE_PORT_LINES": "6666",
    "NODELOG_PORT": "tcp://10.0.0.1:6666",
    "NODELOG_PORT_6666_TCP": "tcp://10.0.0.1:6666",
    "NODELOG_PORT_6666_TCP_PROTO": "tcp",
    "NODELOG_PORT_6666_TCP_PORT": "6666",
    "NODELOG_PORT_6666_TCP_ADDR": "10.0.0.1",
}


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:6666", "udp://[fd00::1]:6666", "sctp://10.0.0.1:1"])
def test_the_variables_of_a_kubernetes_service_are_ignored(start: Start, address: str) -> None:
    variables = {**KUBERNETES, "NODELOG_PORT": address, "HOST_IP": "127.0.0.1"}
    code, _, err = result_of(start("greet", "--count=0", **variables, NODELOG_LOG_LEVEL="debug"))
    reason = "is ignored: Kubernetes sets it for a Service of that name"
    assert f"nodelog: NODELOG_PORT={address!r} {reason}" in err.splitlines()
    assert err.endswith("nodelog greet: 0 lines sent to 127.0.0.1 port 6666, 0 acknowledged\n")
    assert code == 0
    assert reason not in result_of(start("greet", "--count=0", **variables))[2]


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("port", "0", "1 to 65535"),
        ("port", "65536", "1 to 65535"),
        ("port", "tcp://10.0.0.1", "1 to 65535"),
        ("every", "0", "1ms to 365d"),
        ("every", "1x", "such as 15s"),
        ("count", "-1", "0 to"),
        ("count", "many", "0 to"),
        ("name", "two\nlines", "must fit into a line"),
        ("to", "udp", "not one of tcp, lines, file"),
        ("timeout", "soon", "such as 15s"),
        ("host", "a..b", "not an address"),
    ],
)
def test_an_invalid_value_is_one_line_with_option_value_and_what_is_allowed(
    start: Start, option: str, value: str, allowed: str
) -> None:
    for process in (
        start("greet", f"--{option}={value}", HOST_IP="127.0.0.1"),
        start("greet", HOST_IP="127.0.0.1", **{f"NODELOG_{option.upper()}": value}),
    ):
        code, _, err = result_of(process)
        assert (code, err.count("\n")) == (2, 1)
        assert f"--{option}" in err
        assert f"NODELOG_{option.upper()}" in err
        assert repr(value) in err
        assert allowed in err


@pytest.mark.parametrize("arguments", [(), ("sing",), ("greet", "--loud"), ("greet", "--cou", "1")])
def test_an_unknown_command_or_option_is_one_line(start: Start, arguments: tuple[str, ...]) -> None:
    code, _, err = result_of(start(*arguments))
    assert (code, err.count("\n")) == (2, 1)


def test_the_version_equals_that_of_the_distribution(start: Start) -> None:
    assert result_of(start("--version")) == (0, f"nodelog {importlib.metadata.version('nodelog')}\n", "")


def test_a_reader_that_leaves_ends_it_without_a_traceback(start: Start, collector: socket.socket) -> None:
    greeter = start("greet", "--to=lines", "--host=127.0.0.1", "--port", port_of(collector), "--every=1ms")
    assert greeter.stdout is not None
    greeter.stdout.close()
    assert greeter.wait(30) == 1
    assert greeter.stderr is not None
    assert greeter.stderr.read() == ""
