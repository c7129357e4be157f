# Sourced by scripts that start several processes: checks of arguments and variables.

fail() {
    echo "$*" >&2
    exit 2
}

# check_positional USAGE COUNT [arguments]: each of the first COUNT arguments must be there, and
# not be an option.
check_positional() {
    local usage="usage: $1" count=$2 one
    shift 2
    [ $# -ge "$count" ] || fail "$usage"
    for one in "${@:1:$count}"; do
        case $one in '' | -*) fail "$usage" ;; esac
    done
}

# check_number NAME VALUE SMALLEST LARGEST: the value must be a whole number.
check_number() {
    if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        fail "error: $1: expected a whole number from $3 to $4, found '$2'"
    fi
}
