"""This machine's trust store as a file and as a hashed folder, each with our CA in it."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from connprof_server import ServerError, serve
from connprof_server.hashed import make_system_store, subject_hash
from tests.server.raw_client import RawConnection


@pytest.fixture(scope="module")
def stocked():
    with serve(system_store=True) as running:
        yield running


def certificates_in(file):
    return Path(file).read_text().count("-----BEGIN CERTIFICATE-----")


def empty_folder(parent):
    folder = parent / "empty"
    folder.mkdir()
    return folder


def connects(server, **places):
    with RawConnection(server.target, ssl.create_default_context(**places)) as connection:
        return connection.get("/api/x")[0] == 200


def test_file_and_folder_hold_the_same_and_both_trust_the_server(stocked):
    target = stocked.target
    files = list(Path(target.system_directory).iterdir())
    assert certificates_in(target.system_file) == len(files) == target.system_certificates_count > 1
    assert {certificates_in(file) for file in files} == {1}
    assert connects(stocked, cafile=target.system_file)
    assert connects(stocked, capath=target.system_directory)


def test_the_folder_is_not_enough_once_our_ca_is_gone(stocked, tmp_path):
    ours = subject_hash(ssl.PEM_cert_to_DER_cert(Path(stocked.target.ca).read_text()))
    folder = tmp_path / "folder"
    shutil.copytree(stocked.target.system_directory, folder)
    (folder / f"{ours}.0").rename(folder / "00000000.0")
    with pytest.raises(ssl.SSLCertVerificationError):
        connects(stocked, capath=folder)


def test_without_asking_there_is_none(server):
    assert (server.target.system_file, server.target.system_directory) == ("", "")
    assert server.target.system_certificates_count == 0


@pytest.mark.once
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here to ask for its own hashes")
def test_hashes_are_openssls_own(stocked, tmp_path):
    """Some of this machine's, and subjects with all that is made canonical: blanks, letters, several values."""
    subjects = ["/CN=  Two   Blanks  /O=ÄÖÜ straße", "/C=FR/O=UPPER lower/CN=x+OU=y", "/CN=" + "long " * 12, "/CN=a\tb"]
    files = sorted(Path(stocked.target.system_directory).iterdir())[:6]
    for number, subject in enumerate(subjects):
        file = tmp_path / f"{number}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-utf8", "-multivalue-rdn", "-keyout",
                   str(tmp_path / "key"), "-out", str(file), "-subj", subject]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        files.append(file)
    whole = "".join(f"openssl x509 -noout -subject_hash -in '{file}';" for file in files)
    theirs = subprocess.run(["sh", "-c", whole], check=True, capture_output=True, text=True).stdout.split()
    assert [subject_hash(ssl.PEM_cert_to_DER_cert(file.read_text())) for file in files] == theirs


def test_two_certificates_of_one_subject_stand_beside_each_other(stocked, tmp_path):
    ours = Path(stocked.target.ca).read_bytes()
    source = tmp_path / "source.pem"
    source.write_bytes(b"# a comment\n" + ours + b"\n" + ours)
    store = make_system_store(tmp_path, ours, places=(str(source),))
    assert store.certificates_count == 3
    assert make_system_store(empty_folder(tmp_path), b"", places=(str(source),)).sha256 == store.sha256
    assert [file.suffix for file in sorted(store.directory.iterdir())] == [".0", ".1", ".2"]
    assert {file.stem for file in store.directory.iterdir()} == {subject_hash(ssl.PEM_cert_to_DER_cert(ours.decode()))}


def test_a_machine_without_certificates_is_one_sentence(tmp_path, monkeypatch):
    empty = tmp_path / "empty.pem"
    empty.touch()
    nowhere = ssl.get_default_verify_paths()._replace(openssl_cafile=str(tmp_path / "nothing"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    with pytest.raises(ServerError, match=r"^this machine has no CA certificates in .*empty\.pem$"):
        make_system_store(tmp_path, b"", places=(str(empty),))
