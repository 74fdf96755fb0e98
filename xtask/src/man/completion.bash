# bash completion for PROGRAM; made by `cargo xtask man`.

# What can follow a verb: verbs, options, and those options that take a value.
_NAME_verb() {
    case $1 in
TABLES_OF_VERBS
    esac
}

# The candidates for a value: the words to choose from, or how compgen finds paths.
_NAME_value() {
    case $1 in
TABLES_OF_VALUES
    esac
}

_NAME() {
    local line=${COMP_LINE:0:COMP_POINT} word gap parts=() i
    # bash breaks words at = and : too: put together what no blank separates.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i < COMP_CWORD)); then
            word=${COMP_WORDS[i]}
            gap=${line%%"$word"*}
            line=${line#*"$word"}
        else
            # The current word ends at the cursor.
            gap=${line%%[![:space:]]*}
            word=${line#"$gap"}
        fi
        if [[ -n $gap ]] || ((${#parts[@]} == 0)); then
            parts+=("$word")
        else
            parts[${#parts[@]} - 1]+=$word
        fi
    done

    local verb='' verbs='' options='' valued='' option='' operands=1 only_operands=''
    _NAME_verb ''
    for word in "${parts[@]:1:${#parts[@]}-2}"; do
        if [[ -n $option ]]; then
            option=''
        elif [[ -n $only_operands ]]; then
            operands=$((operands + 1))
        elif [[ $word == -- ]]; then
            only_operands=1
        elif [[ $word == -?* ]]; then
            if [[ $valued == *" $word "* ]]; then option=$word; fi
        elif [[ " $verbs " == *" $word "* ]]; then
            verb+=/$word
            _NAME_verb "$verb"
        else
            operands=$((operands + 1))
        fi
    done

    local value=${parts[${#parts[@]} - 1]} words='' paths=''
    COMPREPLY=()
    if [[ -z $option$only_operands && $value == --*=* ]]; then
        option=${value%%=*} value=${value#*=}
    fi
    # As the program will see it, without the shell's quotes.
    value=${value#[\'\"]} value=${value//\\/}
    if [[ -n $option ]]; then
        _NAME_value "$verb $option"
    elif [[ -z $only_operands && $value == -* ]]; then
        words=$options
    else
        _NAME_value "$verb $operands"
        words+=" $verbs"
    fi
    # A list separated by commas: only its last item is being completed.
    local list=''
    if [[ -n $words && $value == *,* ]]; then list=${value%"${value##*,}"}; fi
    if [[ -n ${words// /} ]]; then
        mapfile -t COMPREPLY < <(compgen -P "$list" -W "$words" -- "${value#"$list"}")
    fi
    if [[ -n $paths ]]; then
        compopt -o filenames 2> /dev/null
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen "$paths" -- "$value")
    fi
    # bash replaces only what comes after the last = or :.
    if [[ $value == *[=:]* ]]; then COMPREPLY=("${COMPREPLY[@]#"${value%"$2"}"}"); fi
}

complete -F _NAME PROGRAM
