# shellcheck shell=bash disable=SC2034 # images.sh, which sources this, uses all of it
OFFICIAL=nginx:stable
PACKAGES=nginx
CHANGES=('CMD ["nginx", "-g", "daemon off;"]' 'EXPOSE 80')
