#!/bin/sh
# Installs what the testbed and the browser's tests run: Debian packages, and the
# Maven artifacts of testbed/assets/pom.xml. What is there already is left alone. Where packages
# are missing and this is not root, it says which in one line and exits 2.
set -eu
cd "$(dirname "$0")"
cache=${TIDETABLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tidetable}

packages=
# need COMMAND PACKAGE: remember the package when the command is not there.
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need java openjdk-17-jre-headless
need mvn maven
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need etcd etcd-server
need chromium chromium

if [ -n "$packages" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "testbed-deps: missing Debian packages:$packages; install them as root: apt-get install --no-install-recommends$packages" >&2
		exit 2
	fi
	# The testbed starts its own processes: no package may start a daemon.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	apt-get update -qq
	# Newer Debians have no JDK 17; their default one runs Kafka as well.
	case "$packages" in *openjdk-17*)
		apt-cache show openjdk-17-jre-headless >/dev/null 2>&1 ||
			packages=$(echo "$packages" | sed 's/openjdk-17-jre-headless/default-jre-headless/')
	esac
	# shellcheck disable=SC2086 # one word a package
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
fi

# version FILE PROPERTY: what a pom says.
version() { sed -n "s:.*<$2.version>\\(.*\\)</$2.version>.*:\\1:p" "$1"; }
# jars POM FOLDER: copy what the pom names, into a folder of its own first, so
# that nobody sees half a download.
jars() {
	mkdir -p "$cache"
	part=$(mktemp -d "$cache/kafka-XXXXXX")
	mvn -B -q -f "$1" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$part"
	rm -rf "$2"
	mv "$part" "$2"
	chmod 755 "$2"
}

version=$(version testbed/assets/pom.xml kafka)
oldest=$(version testbed/assets/pom-oldest.xml kafka)
jmx=$(version testbed/assets/pom.xml jmx)
libs=$cache/kafka-$version
if [ ! -e "$libs/kafka_2.13-$version.jar" ] || [ ! -e "$libs/jmx_prometheus_javaagent-$jmx.jar" ]; then
	jars testbed/assets/pom.xml "$libs"
fi
if [ ! -e "$cache/kafka-$oldest/kafka_2.13-$oldest.jar" ]; then
	jars testbed/assets/pom-oldest.xml "$cache/kafka-$oldest"
fi
# The control plane: its name is a digest of its sources, so that a change of
# version or main builds anew. About five minutes on two cores, once.
digest=$(cat controlplane/go.mod controlplane/go.sum controlplane/main.go | sha256sum | cut -c1-16)
binary=$cache/controlplane-$digest
if [ ! -e "$binary" ]; then
	echo "testbed-deps: building kube-apiserver and kube-controller-manager, some minutes" >&2
	mkdir -p "$cache"
	(cd controlplane && nice go build -trimpath -ldflags='-s -w' -o "$binary.part.$$" . && mv "$binary.part.$$" "$binary")
fi
echo "testbed-deps: $(java -version 2>&1 | head -n 1), Kafka $version and $oldest, $(prometheus --version 2>&1 | head -n 1 | cut -d' ' -f1-3)"
