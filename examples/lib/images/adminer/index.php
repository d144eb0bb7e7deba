<?php
// Adminer behind the environment variables that the image michalhosna/adminer understands, as far as db-adminer-package
// sets them: a visitor is logged in to the database that they name.

$login = [
    'driver' => getenv('ADMINER_DRIVER') ?: 'pgsql',
    'server' => getenv('ADMINER_SERVER') ?: '',
    'username' => getenv('ADMINER_USERNAME') ?: '',
    'password' => getenv('ADMINER_PASSWORD') ?: '',
    'db' => getenv('ADMINER_DB') ?: '',
];
// Adminer names the connection in the address; an address without one is the first visit.
if (getenv('ADMINER_AUTOLOGIN') && !isset($_GET[$login['driver']]) && !isset($_GET['file']) && !$_POST) {
    $_POST['auth'] = $login;
}

include '/usr/share/adminer/adminer.php';
