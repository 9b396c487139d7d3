#!/usr/bin/env bash
# deploy.sh            build the image, put the policy in place, start the new version
# deploy.sh key        replace the Momento key
# deploy.sh hook       make a new secret for the operator's hook; the last one stays valid. Hand it on after 5 minutes
set -euo pipefail
cd "$(dirname "$0")"
umask 077
export AWS_REGION=eu-west-1
image=123456789012.dkr.ecr.eu-west-1.amazonaws.com/points:$(git rev-parse --short HEAD)

release() {
  aws ecr get-login-password | docker login --username AWS --password-stdin "${image%%/*}"
  docker build --tag "$image" --tag "${image%:*}:live" .
  docker push --all-tags "${image%:*}"
  aws iam put-role-policy --role-name points-web --policy-name secrets --policy-document file://policy.json
  aws ecs update-service --cluster web --service points --force-new-deployment --query service.status
}

replace_key() {
  read -rsp "New Momento key: " new_key
  echo
  aws secretsmanager put-secret-value --secret-id points/momento-key --secret-string "$new_key" --query VersionId
  aws secretsmanager describe-secret --secret-id points/momento-key --query LastChangedDate
}

replace_hook() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  openssl rand -hex 32 | tr -d '\n' > "$work/new"
  aws secretsmanager get-secret-value --secret-id points/hook --query SecretString --output text > "$work/old.json"
  jq --rawfile new "$work/new" '{current: $new, previous: .current}' "$work/old.json" > "$work/pair.json"
  aws secretsmanager put-secret-value --secret-id points/hook --secret-string "file://$work/pair.json" --query VersionId
}

case "${1:-release}" in
  release) release ;;
  key) replace_key ;;
  hook) replace_hook ;;
  *) sed -n 2,4p "$0"; exit 2 ;;
esac
