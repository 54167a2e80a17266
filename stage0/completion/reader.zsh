#compdef pod
# zsh completion for pod(1), printed by `pod completion zsh`; load it by: source <(pod completion zsh), after
# compinit, or put it into a file _pod in a directory of fpath

# @TABLES@

__pod_step() {
        if [[ -z $context ]]; then
                context=$1
        elif [[ $(__pod_plain "$context") == run ]]; then
                context=of-image
        elif [[ -n $(__pod_options "$context $1") ]]; then
                context="$context $1"
        fi
}

# Goes through the words before the last: sets context, and need to the kind of value the last word has to be.
__pod_read() {
        local word option=''
        for word in "${(@)words[2,CURRENT-1]}"; do
                if [[ -n $need ]]; then
                        [[ -n $context || $option != --dir ]] || dir=(--dir "${(Q)word}")
                        need=''
                        continue
                fi
                [[ $context != args || $word == --- ]] || continue
                case $word in
                (---) context=next ;;
                (--) context=args ;;
                (--*=*) [[ -n $context || $word != --dir=* ]] || dir=("${(Q)word}") ;;
                (-?*)
                        option=$word
                        need=$(__pod_value "$context $word")
                        ;;
                (*) __pod_step "$word" ;;
                esac
        done
}

# The first columns of `pod ps` are what any command takes for a pod.
__pod_pods() {
        local line
        local -a columns found
        for line in "${(@f)$(command pod $dir ps "$@" 2> /dev/null)}"; do
                columns=(${=line})
                [[ -n $columns[1] && $columns[1] != UUID ]] || continue
                found+=("$columns[1]")
                [[ $columns[2] == - ]] || found+=("$columns[2]")
        done
        compadd -a found
}

__pod_images() {
        local line
        local -a found
        for line in "${(@f)$(command pod $dir image ls 2> /dev/null)}"; do
                [[ -z $line || $line == NAME\ * ]] || found+=("${line%% *}")
        done
        compadd -a found
}

__pod_volumes() {
        local -a found=(${(f)"$(command pod $dir volume ls --quiet 2> /dev/null)"})
        compadd -a found
}

__pod_networks() {
        local -a found=(${(f)"$(command pod $dir network ls --quiet 2> /dev/null)"})
        compadd -a found
}

__pod_sources() {
        if compset -P '(oci|oci-archive|docker-archive|dir|tar):'; then
                _files
        else
                compadd -S '' docker:// docker-daemon: containers-storage: oci: oci-archive: docker-archive: dir: tar:
        fi
}

__pod_offer() {
        local -a some
        case $1 in
        ('words '*)
                some=(${=1#words })
                compadd -S '' -- ${(M)some:#*:}
                compadd -- ${some:#*:}
                ;;
        (file) _files ;;
        (directory) _files -/ ;;
        (pods) __pod_pods --all ;;
        (running) __pod_pods ;;
        (images) __pod_images ;;
        (volumes) __pod_volumes ;;
        (networks) __pod_networks ;;
        (nets)
                compadd -S '' -- pod: ns: bridge:
                compadd -- private host none
                __pod_networks
                ;;
        (sources) __pod_sources ;;
        (run)
                __pod_images
                __pod_sources
                ;;
        esac
}

_pod() {
        local context='' need='' current=$words[CURRENT]
        local -a dir some
        __pod_read
        if [[ -n $need ]]; then
                __pod_offer "$need"
        elif [[ $context != args && $current == --*=* ]]; then
                compset -P '*='
                __pod_offer "$(__pod_value "$context ${current%%=*}")"
        elif [[ $context != args && $current == -* ]]; then
                some=("${(@f)$(__pod_options "$context")}")
                [[ $context != of-image ]] || some+=('--:the rest is for the app' '---:the next image')
                _describe -o option some
        elif [[ -n $(__pod_verbs "$context") ]]; then
                some=("${(@f)$(__pod_verbs "$context")}")
                _describe command some
        else
                __pod_offer "$(__pod_plain "$context")"
        fi
}

if [[ $funcstack[1] == _pod ]]; then
        _pod "$@"
else
        compdef _pod pod
fi
