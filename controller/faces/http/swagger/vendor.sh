#!/bin/sh
# Renew the vendored Swagger UI: sh vendor.sh 5.35.0   (needs npm; Node is not needed to run the product)
# Then look at the difference, open /api/v1/docs once, and commit. A test checks the files against SHA256SUMS.
set -eu
version=${1:?which version of swagger-ui-dist?}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "swagger-ui-dist@$version" >/dev/null && tar -xzf swagger-ui-dist-*.tgz)
files="swagger-ui.css swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt LICENSE NOTICE"
for file in $files; do
  # without the pointer to a source map that is not vendored
  sed '/^\/[/*]# sourceMappingURL=/d' "$work/package/$file" >"$here/$file"
done
# shellcheck disable=SC2086  # a list of plain names
(cd "$here" && sha256sum $files >SHA256SUMS)
echo "swagger-ui-dist $version" >"$here/VERSION"
