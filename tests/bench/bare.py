"""The least that a rotation could be: boto3 get, httpx POST, boto3 put, in eight threads."""

import json
import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from time import process_time

import boto3
import httpx
from botocore.config import Config

from rotator.clock import new_id

THREADS = 8


def main(base: str, rounds: int) -> None:
    client = boto3.client("secretsmanager", config=Config(max_pool_connections=THREADS))
    login = b64encode(b"sandbox-partner-token:").decode()
    with httpx.Client(headers={"authorization": f"Basic {login}"}, trust_env=False) as http:

        def one(number: int) -> None:
            user = f"u{number % 300 + 1}"
            secret = f"rotator/token/albato/c{number % 300 + 1}"
            fields = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
            answer = http.post(f"{base}/wl/acme/get-user-session-token", json={"id": user})
            fields["access_token"] = answer.json()["data"]["sessionToken"]
            client.put_secret_value(
                SecretId=secret, SecretString=json.dumps(fields), ClientRequestToken=new_id()
            )

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, range(THREADS)))  # connections are open, code is loaded
            began = process_time()
            list(pool.map(one, range(rounds)))
            spent = process_time() - began
    print(f"bare: {spent / rounds:.6f} seconds", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
