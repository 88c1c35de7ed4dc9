"""One call of tencentcloud-sdk-python-common: tencent_client.py HOST:PORT KEY_ID SECRET get|post."""
import sys

from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

HOST, KEY_ID, SECRET, CALL = sys.argv[1:]
profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=HOST, reqMethod=CALL.upper()))
client = CommonClient("cvm", "2017-03-12", credential.Credential(KEY_ID, SECRET), "ap-guangzhou", profile)
client.call_json("DescribeZones", {"Limit": "5", "Offset": "0"})
