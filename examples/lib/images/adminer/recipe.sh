# shellcheck shell=bash disable=SC2034 # images.sh, which sources this, uses all of it
OFFICIAL=michalhosna/adminer
# Adminer asks for a web server's PHP; the smallest of them satisfies it, and the command line's own server serves.
PACKAGES=adminer,php-cgi,php-cli,php-pgsql
CHANGES=('CMD ["php", "-S", "0.0.0.0:8080", "-t", "/var/www/html"]' 'WORKDIR /var/www/html' 'EXPOSE 8080')
