# machine.sh FOLDER REPOSITORY PROGRAMS STAND_INS PAGE_FILES PAGE: runs a page's script on a machine that vanishes with it.
# It has this machine's files, and what is written there is gone at the end; a network with nothing but itself; and
# processes of its own. Run it as root under `unshare --mount --net --pid --fork`.
set -e
folder=$1 repository=$2 programs=$3 stand_ins=$4 files=$5 page=$6
mount -t tmpfs -o mode=755 machine "$folder"
mkdir "$folder"/{upper,work,root}
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" machine "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for fresh in run tmp var/tmp srv; do mount -t tmpfs -o mode=755 machine "$root/$fresh"; done
chmod 1777 "$root/tmp" "$root/var/tmp"
mkdir "$root"/{built,stand-ins,page,wheels,run/units}
mount --bind "$programs" "$root/built"
mount --bind "$stand_ins" "$root/stand-ins"
mount --bind "$files" "$root/page"
mount --bind "$repository/.build/wheels" "$root/wheels"
# A checkout in the home of an administrator, which other users cannot enter.
checkout=$root/srv/admin/tokenvault
install -d -m 700 "$root/srv/admin"
mkdir -p "$checkout/Examples"
cp -r "$repository"/{Makefile,docs} "$checkout/"
cp -r "$repository/Examples/PKCS11Key" "$checkout/Examples/"
echo "cacert = /run/authority.pem" > "$root/srv/admin/.curlrc"
echo "127.0.0.1 localhost id.example" > "$root/etc/hosts"
/usr/bin/python3 -c "
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))  # SIOCSIFFLAGS: up"
# The built command comes last: what a page installs is found before it.
exec chroot "$root" /usr/bin/env -i HOME=/srv/admin LC_ALL=C.UTF-8 PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels \
  PATH=/stand-ins:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/built \
  /bin/bash -c 'cd ~/tokenvault && exec bash -eE -o pipefail -O expand_aliases "/page/$0"' "$page"
