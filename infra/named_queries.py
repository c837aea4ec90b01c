"""Makes the named queries on the emulator, whose CloudFormation has no type for them. named-queries.yml is for AWS."""

import sys
from pathlib import Path

import boto3

workgroup = sys.argv[1]
athena = boto3.client("athena")
for query in athena.get_paginator("list_named_queries").paginate(WorkGroup=workgroup).search("NamedQueryIds[]"):
    athena.delete_named_query(NamedQueryId=query)
for file in sorted((Path(__file__).parent / "queries").glob("*.sql")):
    athena.create_named_query(
        Name=file.stem, Database=workgroup.replace("-", "_"), WorkGroup=workgroup, QueryString=file.read_text()
    )
