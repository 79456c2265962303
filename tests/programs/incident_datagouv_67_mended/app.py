"""datagouv-67, mended: one client at the level of each helper module.

contexts: 5
handshakes: 5
"""

import asyncio

from helpers import crawler_api, datagouv_api, matomo, metrics_api, tabular_api


async def search(query):
    await matomo.track("search_datasets")
    found = await datagouv_api.search_datasets(query)
    return len(found["records"])


async def describe(dataset, resource):
    await matomo.track("get_dataset_info")
    await datagouv_api.get_dataset(dataset)
    await datagouv_api.get_resource(resource)
    await metrics_api.monthly_metrics("dataset", dataset)
    await metrics_api.monthly_metrics("resource", resource)
    await crawler_api.get_check(resource)


async def query(resource):
    await matomo.track("query_resource_data")
    await tabular_api.get_profile(resource)
    return [(await tabular_api.query_rows(resource, page))["page"] for page in (1, 2)]


async def main():
    for session in ("velo", "budget", "climat"):
        print(session, await search(session))
        await describe(f"dataset-{session}", f"resource-{session}")
        print(await query(f"resource-{session}"))
    print(await search("last"))
    await matomo.track("get_dataset_info")
    await datagouv_api.get_dataset("dataset-last")


asyncio.run(main())
