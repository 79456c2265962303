"""An LLM tool server whose helpers made an HTTP client for every call."""

from connprof.model import Incident

__all__ = ["DATAGOUV_67"]

DATAGOUV_67 = Incident(
    id="datagouv-67",
    title="A tool server made an AsyncClient for every outbound call and closed it right after",
    reference="datagouv/datagouv-mcp pull request 67",
    published_on="2026-03-05",
    before="per-call-async",
    after="client-per-helper",
    shared_context="per-call-shared-context",
    # "~40 outbound calls", "~295 MB cumulative SSL-related allocations": about, in both.
    calls_count=40,
    ssl_bytes=295_000_000,
    # Neither the CA bundle nor the OpenSSL of that measurement was published. The project's own helper, run unmodified
    # against a local server with a bundle of 119 certificates, came to 298.5 MB: that bundle is the reference, and a
    # larger or smaller one is rescaled to it.
    reference_certificates_count=119,
    # "About 295 MB for about 40 calls": one call more or less is 2.5 %, and bytes per certificate differ by a few per
    # cent between OpenSSL versions. A per-call cost that had gone, or doubled, is far outside.
    band_low_ratio=0.8,
    band_high_ratio=1.25,
)
