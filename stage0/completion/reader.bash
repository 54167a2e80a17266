# bash completion for pod(1), printed by `pod completion bash`; load it by: source <(pod completion bash)

# @TABLES@

# bash cuts words also at the characters of COMP_WORDBREAKS (`store:latest` is three): put together what has no
# blank between, so that a word is what the command will get.
__pod_split() {
        local rest=$COMP_LINE blank i
        words=()
        for ((i = 0; i <= COMP_CWORD; i++)); do
                blank=${rest%%[![:space:]]*}
                rest=${rest#"$blank"}
                if [[ $i -gt 0 && -z $blank ]]; then
                        words[-1]+=${COMP_WORDS[i]}
                else
                        words+=("${COMP_WORDS[i]}")
                fi
                rest=${rest#"${COMP_WORDS[i]}"}
        done
        own=${COMP_WORDS[COMP_CWORD]}
        [[ $own != [:=] ]] || own=
}

# Goes through the words before the last: sets context, and need to the kind of value the last word has to be.
__pod_read() {
        local word option=''
        for word in "${words[@]:1:${#words[@]}-2}"; do
                if [[ $need ]]; then
                        [[ $context || $option != --dir ]] || dir=(--dir "$word")
                        need=''
                        continue
                fi
                [[ $context != args || $word == --- ]] || continue
                case $word in
                ---) context=next ;;
                --) context=args ;;
                --*=*) [[ $context || $word != --dir=* ]] || dir=("$word") ;;
                -?*)
                        option=$word
                        need=$(__pod_value "$context $word")
                        ;;
                *) __pod_step "$word" ;;
                esac
        done
}

__pod_step() {
        if [[ -z $context ]]; then
                context=$1
        elif [[ $(__pod_plain "$context") == run ]]; then
                context=of-image
        elif [[ $(__pod_options "$context $1") ]]; then
                context="$context $1"
        fi
}

# The first columns of `pod ps` are what any command takes for a pod.
__pod_pods() {
        local uuid name
        command pod "${dir[@]}" ps "$@" 2> /dev/null | {
                read -r _
                while read -r uuid name _; do
                        printf '%s\n' "$uuid"
                        [[ $name == - ]] || printf '%s\n' "$name"
                done
        }
}

__pod_images() {
        local name
        command pod "${dir[@]}" image ls 2> /dev/null | {
                read -r _
                while read -r name _; do
                        printf '%s\n' "$name"
                done
        }
}

__pod_volumes() {
        command pod "${dir[@]}" volume ls --quiet 2> /dev/null
}

__pod_networks() {
        command pod "${dir[@]}" network ls --quiet 2> /dev/null
}

# lines, of which those count that begin as the last word does
__pod_add() {
        local word
        while IFS= read -r word; do
                [[ $word != "$cur"* ]] || COMPREPLY+=("$lead$word")
        done <<< "$1"
}

__pod_add_files() {
        local word
        while IFS= read -r word; do
                COMPREPLY+=("$lead$1$word")
        done < <(compgen "$2" -- "${cur#"$1"}")
        compopt -o filenames 2> /dev/null
}

__pod_add_sources() {
        local transport
        for transport in oci: oci-archive: docker-archive: dir: tar:; do
                [[ $cur != "$transport"* ]] || __pod_add_files "$transport" -f
        done
        [[ ${#COMPREPLY[@]} -gt 0 ]] || __pod_add $'docker://\ndocker-daemon:\ncontainers-storage:\noci:\noci-archive:\ndocker-archive:\ndir:\ntar:'
}

__pod_offer() {
        case $1 in
        'words '*)
                set -- "${1#words }"
                __pod_add "${1// /$'\n'}"
                ;;
        file) __pod_add_files '' -f ;;
        directory) __pod_add_files '' -d ;;
        pods) __pod_add "$(__pod_pods --all)" ;;
        running) __pod_add "$(__pod_pods)" ;;
        images) __pod_add "$(__pod_images)" ;;
        volumes) __pod_add "$(__pod_volumes)" ;;
        networks) __pod_add "$(__pod_networks)" ;;
        nets)
                __pod_add $'private\nhost\nnone\npod:\nns:\nbridge:'
                __pod_add "$(__pod_networks)"
                ;;
        sources) __pod_add_sources ;;
        run)
                __pod_add "$(__pod_images)"
                __pod_add_sources
                ;;
        esac
}

_pod() {
        local -a words=() dir=()
        local cur own context='' need='' lead='' i
        COMPREPLY=()
        __pod_split
        cur=${words[-1]}
        __pod_read
        if [[ $need ]]; then
                __pod_offer "$need"
        elif [[ $context != args && $cur == --*=* ]]; then
                lead=${cur%%=*}=
                cur=${cur#*=}
                __pod_offer "$(__pod_value "$context ${lead%=}")"
        elif [[ $context != args && $cur == -* ]]; then
                __pod_add "$(__pod_options "$context")"
                [[ $context != of-image ]] || __pod_add $'--\n---'
        else
                __pod_offer "$(__pod_plain "$context")"
        fi
        [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *[:/] ]] || compopt -o nospace 2> /dev/null
        # What bash takes for the word's beginning stays as it is.
        cur=${words[-1]}
        for i in "${!COMPREPLY[@]}"; do
                COMPREPLY[i]=${COMPREPLY[i]#"${cur%"$own"}"}
        done
}

complete -F _pod pod
