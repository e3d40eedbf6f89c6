#!/usr/bin/env bash
# Installs, or names, the Debian packages that the GUI tests need: a virtual screen and software OpenGL.
set -euo pipefail
packages=(xvfb libgl1 libegl1 libglx-mesa0 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
  libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libdbus-1-3)
if ! command -v dpkg >/dev/null; then
  command -v Xvfb >/dev/null || echo "note: without Xvfb the GUI tests need a screen; install Xvfb and Mesa's OpenGL." >&2
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "The GUI tests need: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
