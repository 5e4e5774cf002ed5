import type { Chat } from "@chat-engine/client";
import {
  createContext,
  createElement,
  type DependencyList,
  type FunctionComponentElement,
  type ProviderProps,
  type ReactNode,
  useContext,
  useEffect,
  useState,
} from "react";

const Context = createContext<Chat | undefined>(undefined);

/** Gives a chat to all hooks below. */
export function ChatProvider(props: {
  readonly chat: Chat;
  readonly children?: ReactNode;
}): FunctionComponentElement<ProviderProps<Chat | undefined>> {
  return createElement(Context.Provider, { value: props.chat }, props.children);
}

/** The chat of the `ChatProvider` above. */
export function useChat(): Chat {
  const chat = useContext(Context);
  if (!chat) throw new Error("there is no <ChatProvider> above this component");
  return chat;
}

/**
 * Connects while the component is there, and anew when one of `deps` changes, as the user who is logged in. Gives
 * `undefined` at first, and while `make` gives no chat. `make` is called in an effect, so never on a server.
 */
export function useConnect(make: () => Chat | undefined, deps: DependencyList): Chat | undefined {
  const [chat, setChat] = useState<Chat>();
  useEffect(() => {
    const made = make();
    setChat(made);
    return () => {
      setChat(undefined);
      made?.close();
    };
  }, deps);
  return chat;
}
