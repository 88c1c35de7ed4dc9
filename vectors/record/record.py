"""Records every vector file from its witnesses.

    python record.py --out DIR     write the files
    python record.py --check       record again and compare with the files beside this folder
"""
import argparse
import difflib
import pathlib
import sys

sys.dont_write_bytecode = True

import access_tokens
import alibaba_openapi
import alipay_rsa2
import aliyun_xca
import apisix
import aws4auth_sigv4
import aws_v2
import awscrt_sigv4
import azure_blob
import baidu
import binance_rest
import botocore_sigv4
import cavage
import common
import hawk
import higress
import huawei_sdk
import kong
import minio_s3
import oauth1
import published
import signed
import sigv4_faults
import tencent_tc3
import transcripts
import user_faults
import vendor_webhooks
import volcengine_v4
import webhooks
import wechatpay
from faults import everywhere

HERE = pathlib.Path(__file__).parent


def dialects():
    """Dialect, its recorders in order, and the faults made of what they recorded."""
    return {
        "api-key": ([transcripts.api_key_vectors], user_faults.api_key),
        "aws-sigv1": ([published.aws_sigv1_vectors, transcripts.aws_sigv1_vectors], user_faults.aws_sigv1),
        "x-ca-labelled": ([transcripts.x_ca_labelled_vectors], user_faults.x_ca_labelled),
        "x-ca-labelled-2": ([transcripts.x_ca_labelled_2_vectors], user_faults.x_ca_labelled_2),
        "qlm-open": ([lambda: transcripts.qlm_open_vectors("timestamp")], user_faults.qlm_open),
        "qlm-open-md5": ([lambda: transcripts.qlm_open_vectors("md5")], user_faults.qlm_open_md5),
        "hmac-sha256": ([transcripts.hmac_sha256_vectors], user_faults.hmac_sha256),
        "hmac-sha256-body": ([transcripts.hmac_sha256_body_vectors], user_faults.hmac_sha256_body),
        "signed-sha256": ([signed.vectors], signed.signed_faults),
        "aws-sigv4": ([published.aws_sigv4_vectors, botocore_sigv4.header_vectors, botocore_sigv4.client_vectors, awscrt_sigv4.header_vectors, aws4auth_sigv4.header_vectors,
                       sigv4_faults.header_witness], sigv4_faults.header),
        "aws-sigv4-presigned": ([published.aws_sigv4_presigned_vectors, botocore_sigv4.presigned_vectors, awscrt_sigv4.presigned_vectors, sigv4_faults.presigned_witness],
                                sigv4_faults.presigned),
        "aws-sigv4-s3": ([published.aws_sigv4_s3_vectors, botocore_sigv4.s3_vectors, botocore_sigv4.s3_client_vectors, awscrt_sigv4.s3_vectors, aws4auth_sigv4.s3_vectors,
                          minio_s3.s3_vectors, sigv4_faults.s3_witness], sigv4_faults.s3),
        "aws-sigv4-s3-presigned": ([published.aws_sigv4_s3_presigned_vectors, botocore_sigv4.s3_presigned_vectors, awscrt_sigv4.s3_presigned_vectors,
                                    minio_s3.s3_presigned_vectors, sigv4_faults.s3_presigned_witness], sigv4_faults.s3_presigned),
        "aws-sigv2": ([aws_v2.v2_published_vectors, lambda: (aws_v2.v2_sdk_vectors(), aws_v2.V2_GAPS), aws_v2.v2_rule_vectors], aws_v2.v2_faults),
        "s3-v2": ([aws_v2.s3_published_vectors, lambda: (aws_v2.s3_sdk_vectors(), aws_v2.S3_GAPS), aws_v2.s3_client_vectors, aws_v2.s3_rule_vectors], aws_v2.s3_faults),
        "apisix-hmac": ([apisix.published_vectors, apisix.rule_vectors], apisix.apisix_faults),
        "apisix-hmac-old": ([apisix.old_published_vectors, lambda: (apisix.old_rule_vectors(), apisix.OLD_GAPS)], apisix.old_faults),
        "azure-sharedkey": ([lambda: (azure_blob.sdk_vectors(), azure_blob.SDK_GAPS), azure_blob.rule_vectors], azure_blob.azure_faults),
        "baidu-bce": ([baidu.published_vectors, lambda: (baidu.sdk_vectors(), baidu.SDK_GAPS), baidu.rule_vectors], baidu.bce_faults),
        "cavage": ([cavage.published_vectors, lambda: (cavage.package_vectors(), cavage.PACKAGE_GAPS), cavage.rule_vectors], cavage.cavage_faults),
        "cavage-created": ([cavage.created_vectors], cavage.created_faults),
        "hawk": ([hawk.published_vectors, lambda: (hawk.library_vectors(), hawk.LIBRARY_GAPS), hawk.rule_vectors], hawk.hawk_faults),
        "x-ca-higress": ([higress.published_vectors, higress.rule_vectors], higress.higress_faults),
        "x-ca": ([published.x_ca_vectors, lambda: (aliyun_xca.client_vectors(), aliyun_xca.CLIENT_GAPS), lambda: (aliyun_xca.util_vectors(), aliyun_xca.UTIL_GAPS),
                  aliyun_xca.rule_vectors], aliyun_xca.xca_faults),
        "kong-hmac": ([published.kong_vectors, lambda: (kong.httpie_vectors(), kong.HTTPIE_GAPS), lambda: (kong.package_vectors(), kong.PACKAGE_GAPS), kong.rule_vectors], kong.kong_faults),
        "tencent-tc3": ([published.tencent_tc3_vectors, lambda: (tencent_tc3.sdk_vectors(), tencent_tc3.SDK_GAPS), tencent_tc3.rule_vectors], tencent_tc3.tc3_faults),
        "oauth1": ([published.oauth1_vectors, lambda: (oauth1.library_vectors(), oauth1.LIBRARY_GAPS), lambda: (oauth1.session_vectors(), oauth1.SESSION_GAPS), oauth1.rule_vectors], oauth1.oauth1_faults),
        "standard-webhooks": ([published.standard_webhooks_vectors, lambda: (webhooks.standardwebhooks_vectors(), webhooks.GAPS), webhooks.svix_vectors, webhooks.rule_vectors],
                              webhooks.webhook_faults),
        "github": ([vendor_webhooks.github_published, lambda: (vendor_webhooks.github_vectors(), vendor_webhooks.GITHUB_GAPS)], vendor_webhooks.github_faults),
        "stripe": ([vendor_webhooks.stripe_published, lambda: (vendor_webhooks.stripe_vectors(), vendor_webhooks.STRIPE_GAPS)], vendor_webhooks.stripe_faults),
        "slack": ([vendor_webhooks.slack_published, lambda: (vendor_webhooks.slack_vectors(), vendor_webhooks.SLACK_GAPS)], vendor_webhooks.slack_faults),
        "alibaba-acs3": ([alibaba_openapi.acs3_published, lambda: (alibaba_openapi.util_vectors(), alibaba_openapi.UTIL_GAPS), alibaba_openapi.acs3_vectors], alibaba_openapi.acs3_faults),
        "alibaba-rpc-v1": ([alibaba_openapi.rpc_published, lambda: (alibaba_openapi.core_vectors(), alibaba_openapi.CORE_GAPS), alibaba_openapi.rpc_vectors], alibaba_openapi.rpc_faults),
        "wechatpay-v3": ([lambda: (wechatpay.request_vectors(), wechatpay.REQUEST_GAPS)], wechatpay.request_faults),
        "wechatpay-v3-notify": ([lambda: (wechatpay.notice_vectors(), wechatpay.NOTICE_GAPS)], wechatpay.notice_faults),
        "alipay-rsa2": ([lambda: (alipay_rsa2.package_vectors(), alipay_rsa2.PACKAGE_GAPS), alipay_rsa2.rule_vectors], alipay_rsa2.alipay_faults),
        "binance": ([binance_rest.published_vectors, lambda: (binance_rest.package_vectors(), binance_rest.PACKAGE_GAPS), binance_rest.rule_vectors], binance_rest.binance_faults),
        "volcengine": ([volcengine_v4.published_vectors, lambda: (volcengine_v4.package_vectors(), volcengine_v4.PACKAGE_GAPS), volcengine_v4.rule_vectors], volcengine_v4.volcengine_faults),
        "huawei-sdk": ([huawei_sdk.published_vectors, lambda: (huawei_sdk.package_vectors(huawei_sdk.SHA256), huawei_sdk.SDK_GAPS), lambda: huawei_sdk.rule_vectors(huawei_sdk.SHA256)],
                       lambda by_name: huawei_sdk.huawei_faults(huawei_sdk.SHA256, by_name)),
        "huawei-sdk-sm3": ([lambda: (huawei_sdk.package_vectors(huawei_sdk.SM3), huawei_sdk.SDK_GAPS), lambda: huawei_sdk.rule_vectors(huawei_sdk.SM3)],
                           lambda by_name: huawei_sdk.huawei_faults(huawei_sdk.SM3, by_name)),
    }


def answers():
    """As `dialects`, of responses."""
    return {"wechatpay-v3-answer": ([wechatpay.answer_vectors], wechatpay.answer_faults)}


def record(dialect, recorders, faults, of_all=everywhere):
    """The text of one file; names must be unique and every fault must have its origin.

    A recorder gives vectors, or a pair: vectors and what its witness cannot do.
    """
    vectors, gaps = [], list(transcripts.GAPS.get(dialect, []))
    for recorder in recorders:
        made = recorder()
        made, missing = made if isinstance(made, tuple) else (made, [])
        vectors += made
        gaps += missing
    by_name = {made["name"]: made for made in vectors}
    vectors += faults(by_name)
    vectors += of_all(vectors)
    names = [made["name"] for made in vectors]
    twice = sorted({name for name in names if names.count(name) > 1})
    lost = [made["name"] for made in vectors if made.get("from", names[0]) not in names]
    if twice or lost:
        raise ValueError(f"{dialect}: named twice {twice}, without origin {lost}")
    return common.dump(dialect, vectors, gaps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--out", type=pathlib.Path, help="folder to write to")
    action.add_argument("--check", action="store_true", help="compare with the files that are there")
    args = parser.parse_args()
    common.offline()
    different = False
    made = {f"{dialect}.yaml": record(dialect, *plan) for dialect, plan in dialects().items()}
    made.update({f"answers/{dialect}.yaml": record(dialect, *plan, lambda _: []) for dialect, plan in answers().items()})
    made.update(access_tokens.files())
    for name, text in made.items():
        if args.check:
            stored = HERE.parent / name
            old = stored.read_text(encoding="utf-8") if stored.exists() else ""
            lines = list(difflib.unified_diff(old.splitlines(), text.splitlines(), str(stored), "recorded now", lineterm=""))
            print(*lines, sep="\n", end="\n" if lines else "")
            different |= bool(lines)
        else:
            (args.out / name).parent.mkdir(exist_ok=True)
            (args.out / name).write_text(text, encoding="utf-8")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
