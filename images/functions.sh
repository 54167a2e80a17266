# shellcheck shell=bash
# What recipes are written with. A recipe fills the directory $tree and calls `layer` for each layer of the
# image, then `configure`. `from NAME` starts with another image's layers; it stands alone on a line.
# Set by images/build: $here (the recipes), $out (the results), $cache.
: "${here:?}" "${out:?}" "${cache:?}"

stamp=2026-01-01T00:00:00Z # of every file and record, so that the same recipe gives the same bytes

die() {
        printf 'images/build: %s\n' "$*" >&2
        exit 1
}

# In a subshell: a recipe's variables and directory are its own.
run_recipe() {
        work=$(mktemp -d "$cache/work.XXXXXX")
        layout=$work/layout
        tree=$work/tree
        owners=$work/owners
        umask 022
        mkdir "$tree"
        : > "$owners"
        cd "$here/$1" || die "no directory $here/$1"
        # shellcheck source=/dev/null
        . ./recipe
        umoci gc --layout "$layout" > /dev/null
        rm -rf "${out:?}/$1"
        mv "$layout" "$out/$1"
        rm -rf "$work"
}

scratch() {
        umoci init --layout "$layout"
        umoci new --image "$layout:latest"
}

from() {
        cp -a --reflink=auto "$out/$1" "$layout"
}

# own UID:GID PATH…: files below $tree that do not belong to root. Only tar writes it down: no right is needed.
own() {
        local path
        for path in "${@:2}"; do
                printf '%s %s\n' "$1" "$path" >> "$owners"
        done
}

# whiteout PATH…: hides a path of the layers below
whiteout() {
        local path
        for path; do
                mkdir -p "$tree/$(dirname "$path")"
                : > "$tree/$(dirname "$path")/.wh.$(basename "$path")"
        done
}

# layer WHAT: packs $tree as the next layer and empties it
layer() {
        local archive=$work/layer.tar owner path
        local options=(-C "$tree" --format=posix "--pax-option=delete=atime,delete=ctime" --sort=name
                --mtime="$stamp" --numeric-owner)
        tar "${options[@]}" --owner=0 --group=0 --exclude-from=<(sed 's|^[^ ]* |./|' "$owners") \
                --anchored -cf "$archive" .
        while read -r owner path; do
                tar "${options[@]}" --owner="app:${owner%:*}" --group="app:${owner#*:}" \
                        -rf "$archive" "./$path"
        done < "$owners"
        umoci raw add-layer --image "$layout:latest" --history.created="$stamp" --history.created_by="$1" \
                "$archive"
        rm -rf "$tree" "$archive"
        mkdir "$tree"
        : > "$owners"
}

# configure KEY VALUE…: entrypoint, cmd and env take all their words at once (umoci drops empty ones)
configure() {
        local key=$1 arguments=() value
        # A new entrypoint ends what the image below gave as its arguments.
        [ "$key" != entrypoint ] || arguments+=(--clear=config.cmd)
        for value in "${@:2}"; do
                arguments+=("--config.$key=$value")
        done
        umoci config --image "$layout:latest" --created="$stamp" --no-history "${arguments[@]}"
}

compile() {
        local result=$1
        shift
        "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
                -Wmissing-prototypes -Wformat=2 -Wvla -Werror -static -s -o "$result" "$@"
}

# The first of NAME|NAME… that apt knows: libraries change their package's name between releases.
pick_package() {
        local candidate
        for candidate in ${1//|/ }; do
                if [ "$candidate" = "${1##*|}" ] || apt-cache show "$candidate" > /dev/null 2>&1; then
                        printf '%s\n' "$candidate"
                        return
                fi
        done
}

# packages NAME…: unpacks Debian packages, as this machine's apt has them, into $tree; no script of theirs runs
packages() {
        local wanted=() name file files=()
        for name; do
                wanted+=("$(pick_package "$name")")
        done
        # The cache may hold other versions of these packages: apt says which files are meant, but in a
        # directory where they lie already it says nothing.
        mapfile -t files < <(cd "$tree" && apt-get download --print-uris "${wanted[@]}" | cut -d' ' -f2)
        (cd "$cache/packages" && apt-get -qq -o APT::Sandbox::User=root download "${wanted[@]}") ||
                die "cannot download ${wanted[*]}; does apt need an update?"
        [ ${#files[@]} -eq ${#wanted[@]} ] || die "apt names ${#files[@]} files for ${wanted[*]}"
        merge_usr
        for file in "${files[@]}"; do
                dpkg-deb --fsys-tarfile "$cache/packages/$file" |
                        tar -C "$tree" -xp --keep-directory-symlink --no-same-owner \
                                --exclude-from="$here/excluded"
        done
}

# Packages name /lib and /bin; in the tree, as in every Debian of today, these are links.
merge_usr() {
        local name
        for name in bin sbin lib lib64; do
                mkdir -p "$tree/usr/$name"
                ln -sfn "usr/$name" "$tree/$name"
        done
}

# Only the lowest layer keeps the links: repeated above they would be noise.
split_usr() {
        rm "$tree"/{bin,sbin,lib,lib64}
        rmdir --ignore-fail-on-non-empty "$tree"/usr/{bin,sbin,lib,lib64}
}

# account NAME UID GID HOME: a user and its group, added to those of images/debian
account() {
        local file
        mkdir -p "$tree/etc"
        for file in passwd group; do
                [ -e "$tree/etc/$file" ] || cp "$here/debian/$file" "$tree/etc/$file"
        done
        printf '%s:x:%s:%s::%s:/usr/sbin/nologin\n' "$1" "$2" "$3" "$4" >> "$tree/etc/passwd"
        printf '%s:x:%s:\n' "$1" "$3" >> "$tree/etc/group"
}

# busybox_links DIRECTORY: a name for each of its commands
busybox_links() {
        local name
        for name in $(busybox --list); do
                [ -e "$1/$name" ] || ln -s busybox "$1/$name"
        done
}

static_busybox() {
        local program
        program=$(command -v busybox) || die "no busybox here; install busybox-static"
        file -L "$program" | grep -q 'statically linked' ||
                die "$program is not static; install busybox-static"
        install -D -m 755 "$program" "$tree/bin/busybox"
}
