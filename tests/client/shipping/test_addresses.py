import pytest

from nodelog.shipping.addresses import NoHostError, collector_addresses


@pytest.mark.parametrize(
    ("host", "env", "expected"),
    [
        ("10.0.0.9", {"HOST_IP": "10.0.0.1"}, ("10.0.0.9",)),
        (None, {"HOST_IP": "10.0.0.1"}, ("10.0.0.1",)),
        (None, {"HOST_IP": "10.0.0.1", "HOST_IPS": "10.0.0.1,fd00::1"}, ("10.0.0.1", "fd00::1")),
        (None, {"HOST_IPS": "fd00::1, 10.0.0.1,"}, ("fd00::1", "10.0.0.1")),
    ],
)
def test_the_addresses_come_from_the_host_or_the_environment(
    host: str | None, env: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert collector_addresses(host, env) == expected


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "."])
def test_an_impossible_host_name_is_refused_at_once(host: str) -> None:
    with pytest.raises(ValueError, match="is not an address or a host name"):
        collector_addresses(host, {})


@pytest.mark.parametrize("env", [{}, {"HOST_IP": ""}, {"HOST_IP": " ", "HOST_IPS": ","}])
def test_a_missing_host_ip_says_what_to_add_to_the_manifest(env: dict[str, str]) -> None:
    with pytest.raises(NoHostError) as error:
        collector_addresses(None, env)
    assert "env: [{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]" in str(error.value)
    assert "\n" not in str(error.value)
