# container.sh FOLDER BINARY UID GROUP MEMLOCK MOUNTS… -- COMMAND…: becomes COMMAND in a container; a mount is FROM:AT:rw or
# FROM:AT:ro. Its root has this machine's files and is read-only, its user has no capability and gains none. Run it as root
# under `unshare --mount --pid --fork`.
set -eu
folder=$1 binary=$2 user=$3 group=$4 memlock=$5
shift 5
mount -t tmpfs -o mode=755 container "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" container "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 container "$root/run"
attach() {
  if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "${2%/*}" && touch "$2"; fi
  mount --bind "$1" "$2"
  mount -o "remount,bind,$3" "$2"
}
attach "$binary" "$root/usr/local/bin/tokenvault" ro
while [ "$1" != -- ]; do
  IFS=: read -r from at how <<END
$1
END
  attach "$from" "$root$at" "$how"
  shift
done
shift
mount -o remount,ro "$root/run"
mount -o remount,ro "$root"
exec prlimit "--memlock=$memlock:$memlock" -- chroot "$root" setpriv --reuid "$user" --regid "$group" --groups "$group" \
  --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
