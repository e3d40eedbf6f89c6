"""Workers on this computer obey nobody but the run that started them."""

import asyncio
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

import dask
import distributed
import psutil
import pytest
from distributed.comm import connect

from napari_superres.errors import DeviceError, MissingExtraError
from napari_superres.inference.stream import local_cluster
from napari_superres.inference.stream.workers import open_executor


def listening():
    """Return the addresses on which this process and its children listen."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return {tuple(c.laddr) for p in processes for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}


@pytest.fixture(scope="module")
def own_cluster():
    """Return a cluster, and the ports on which its scheduler, nannies and workers listen."""
    others = listening()  # clusters of other tests may still be open
    with local_cluster.start_cluster(distributed, 2) as cluster:
        found = listening() - others
        assert {ip for ip, _ in found} == {"127.0.0.1"}
        assert len(found) >= 5
        yield cluster, {port for _, port in found}


@pytest.fixture
def ports(own_cluster):
    """Return the ports of the cluster."""
    return own_cluster[1]


def answering(addresses, security):
    """Return where somebody talks to a holder of these keys, as dask's programs do."""
    keys = security.get_connection_args("client")

    async def talk(address):
        try:
            comm = await asyncio.wait_for(connect(address, timeout=1, **keys), 2)
            await comm.close()
        except OSError:
            return None
        return address

    async def talk_to_all():
        return [address for address in await asyncio.gather(*map(talk, addresses)) if address]

    return asyncio.run(talk_to_all())


def test_other_accounts_are_not_obeyed(own_cluster):
    keyed_cluster, ports = own_cluster
    with distributed.Client(keyed_cluster) as client:
        assert client.submit(sum, [20, 22]).result() == 42
    scheduler = keyed_cluster.scheduler_address
    assert answering([scheduler], keyed_cluster.security) == [scheduler]
    assert answering([f"tcp://127.0.0.1:{port}" for port in ports], distributed.Security()) == []
    assert answering([f"tls://127.0.0.1:{port}" for port in ports], distributed.Security.temporary()) == []


@pytest.mark.parametrize("page", ["info/main/workers.html", "json/identity.json", "metrics", "health"])
def test_other_accounts_read_no_names_of_tasks(page, ports):
    told = []
    for port in ports:
        try:
            with urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
                told.append((port, answer.read()[:80]))
        except HTTPError as error:
            assert error.code == 404  # noqa: PT017 - the other ports speak no HTTP
            error.close()
        except OSError:
            pass
    assert told == []


def test_every_cluster_has_a_key_of_its_own(keyed_cluster):
    assert keyed_cluster.security.tls_client_key not in (None, distributed.Security.temporary().tls_client_key)


def test_no_library_for_keys(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r"need cryptography.*\[distributed\]"), open_executor(2):
        pass


def test_a_scheduler_whose_key_is_unknown(keyed_cluster):
    with (
        pytest.raises(DeviceError, match=r"tls://.* does not answer.*DASK_CONFIG gives its key"),
        open_executor(scheduler=keyed_cluster.scheduler_address),
    ):
        pass


def test_a_scheduler_without_tls_where_tls_is_required():
    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(DeviceError, match=r"tcp://127\.0\.0\.1:1 does not answer"),
        open_executor(scheduler="tcp://127.0.0.1:1"),
    ):
        pass
